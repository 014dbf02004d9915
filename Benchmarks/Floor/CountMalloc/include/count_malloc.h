// Allocations of this process so far: calls of malloc, calloc, realloc and the aligned variants.
unsigned long count_malloc_calls(void);

// The same, of the calling thread alone.
unsigned long count_malloc_calls_of_thread(void);
