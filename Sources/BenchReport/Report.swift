// Results as one page that needs nothing else.

import ConnectionBench
import Mustache
