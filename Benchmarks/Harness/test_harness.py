"""The harness without a server: statistics against scipy, verdicts and tables of literals."""

import random
import unittest

import regression
import samples
import tables
from candidates import ENGINES, FLOORS, OTHERS

try:
    import scipy.stats
except ImportError:
    scipy = None


def normal(seed, mean, deviation=0.03, starts=3, rounds=9):
    source = random.Random(seed)
    return [[source.gauss(mean, mean * deviation) for _ in range(rounds)] for _ in range(starts)]


class Statistics(unittest.TestCase):
    @unittest.skipIf(scipy is None, "scipy is not installed")
    def test_mann_whitney_agrees_with_scipy_with_and_without_ties(self):
        source = random.Random(1)
        for case in range(200):
            digits = source.choice([0, 1, 6])
            old = [round(source.gauss(10, 2), digits) for _ in range(source.randint(8, 30))]
            new = [round(source.gauss(10 + case % 3, 2), digits)
                   for _ in range(source.randint(8, 30))]
            expected = scipy.stats.mannwhitneyu(
                new, old, alternative="greater", method="asymptotic").pvalue
            self.assertAlmostEqual(samples.mann_whitney(old, new), expected, places=10)

    @unittest.skipIf(scipy is None, "scipy is not installed")
    def test_the_interval_is_that_of_the_binomial_distribution(self):
        for count in range(6, 60):
            low, high = samples.interval(range(count))
            k = int(scipy.stats.binom.ppf(0.025, count, 0.5))
            # ppf is the first number of heads that is not rare; fewer than it may be missed.
            if scipy.stats.binom.cdf(k, count, 0.5) <= 0.025:
                k += 1
            self.assertEqual((low, high), (max(k - 1, 0), count - 1 - max(k - 1, 0)), count)

    def test_equal_samples_are_no_evidence(self):
        self.assertEqual(samples.mann_whitney([1.0] * 9, [1.0] * 9), 1.0)

    def test_too_few_samples_are_refused(self):
        with self.assertRaises(ValueError):
            samples.mann_whitney([1, 2, 3], [1, 2, 3])

    def test_ratios_are_taken_within_a_round(self):
        self.assertEqual(samples.ratios([2, 9], [1, 3]), [2, 3])
        with self.assertRaises(ValueError):
            samples.ratios([1], [1, 2])


class Verdicts(unittest.TestCase):
    def test_a_slowdown_of_25_percent_is_found_in_each_of_20_sessions(self):
        for seed in range(20):
            word, _ = samples.verdict(normal(seed, 1.0), normal(seed + 100, 1.25), 0.07)
            self.assertEqual(word, "regression", seed)

    def test_a_throughput_that_falls_is_a_regression(self):
        word, (middle, _, _) = samples.verdict(
            normal(1, 1.0), normal(2, 0.8), 0.07, larger_is_better=True)
        self.assertEqual(word, "regression")
        self.assertAlmostEqual(middle, 1.25, delta=0.05)

    def test_the_same_program_is_never_a_regression_in_50_sessions(self):
        words = [samples.verdict(normal(seed, 1.0), normal(seed + 500, 1.0), 0.07)[0]
                 for seed in range(50)]
        self.assertNotIn("regression", words)
        self.assertGreater(words.count("fine") + words.count("better"), 47)

    def test_noise_as_large_as_the_tolerance_cannot_be_told(self):
        word, _ = samples.verdict(normal(3, 1.0, 0.3), normal(4, 1.02, 0.3), 0.02)
        self.assertEqual(word, "cannot tell")

    def test_a_start_that_differs_is_no_regression(self):
        """One of three starts ran slowly: the rounds agree, the starts do not."""
        new = normal(6, 1.0, starts=2) + normal(7, 1.4, starts=1)
        self.assertNotEqual(samples.verdict(normal(5, 1.0), new, 0.07)[0], "regression")

    def test_a_floor_that_is_not_itself_forbids_the_verdict(self):
        baseline = {"echo 64/uring/cpu_us_per_echo": normal(1, 1.0)}
        new = {"echo 64/uring/cpu_us_per_echo": normal(2, 1.4),
               "echo 64/floor-again/cpu_us_per_echo": normal(3, 1.0)}
        tolerances = {"cpu_us_per_echo": 0.07}
        self.assertEqual(regression.judge(baseline, new, tolerances)[0][3], "regression")
        new["echo 64/floor-again/cpu_us_per_echo"] = normal(3, 1.2)
        self.assertEqual(regression.judge(baseline, new, tolerances)[0][3], "cannot tell")

    def test_a_metric_that_is_no_longer_measured_is_an_error(self):
        with self.assertRaises(regression.Failed):
            regression.judge(
                {"echo 1/uring/cpu_us_per_echo": [[1.0]]}, {}, {"cpu_us_per_echo": 0.1})


class Tables(unittest.TestCase):
    def setUp(self):
        connect = {key: [1000.0, 1100.0, 900.0] * 2 for key, *_ in tables.CONNECT_ROWS}
        echo = {"echoes_per_second": [100.0, 110.0], "cpu_us_per_echo": [5.0, 5.5],
                "client_cpu_share": 0.9}
        keys = [candidate.key for candidate in FLOORS + ENGINES + OTHERS if candidate.key != "go"]
        self.result = {
            "plan": {"connect": {"connections": 9000}},
            "connect": {key: dict(connect) for key in keys},
            "echo": {64: {key: dict(echo) for key in keys}},
            "hold": {"C, blocking": {"connects_per_second": [100.0, 90.0]},
                     "SwiftNIO": {"connects_per_second": [50.0, 45.0]}},
        }

    def test_every_line_has_a_cell_for_every_server(self):
        lines = tables.comparison(self.result).splitlines()
        self.assertEqual(len(lines), 2 + len(tables.CONNECT_ROWS) + len(tables.ECHO_ROWS))
        self.assertEqual({line.count("|") for line in lines}, {len(FLOORS + ENGINES + OTHERS) + 2})

    def test_a_peer_that_is_missing_is_named(self):
        self.assertTrue(tables.comparison(self.result).splitlines()[2].endswith("not installed |"))

    def test_the_reference_shows_its_spread_and_the_others_a_ratio(self):
        line = tables.comparison(self.result).splitlines()[2]
        self.assertIn("1,000<br>(900..1,100)", line)
        self.assertIn("1,000<br>×1.00 [1.00, 1.00]", line)

    def test_a_client_is_compared_with_the_first(self):
        self.assertIn("×0.50", tables.holders(self.result).splitlines()[-1])

    def test_fewer_than_six_rounds_have_a_spread_and_no_interval(self):
        self.assertEqual(tables.ratio([1.0, 3.0], [1.0, 2.0]), "×1.25 (1.00..1.50)")
        self.assertEqual(tables.ratio([3.0], [2.0]), "×1.50")
        self.assertEqual(tables.ratio([1.0] * 6, [1.0] * 6), "×1.00 [1.00, 1.00]")


if __name__ == "__main__":
    unittest.main()
