// Pins the calling thread, and what it starts from then on, to one processor; 0 or an errno.
// Glibc's module for Swift lacks the call.
int CAffinity_pin(unsigned cpu);
