package querycache

import "syscall"

// mapMemory returns n bytes of zeros that the garbage collector knows nothing of. They take memory from when they are first
// written to, in pages. Huge pages are declined: one of them would take two megabytes for the first byte.
func mapMemory(n int) ([]byte, error) {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		_ = syscall.Madvise(b, syscall.MADV_NOHUGEPAGE) // a kernel without them refuses
	}
	return b, err
}

// unmapMemory gives back what mapMemory returned.
func unmapMemory(b []byte) { _ = syscall.Munmap(b) }

// dropPages gives the memory of b back and keeps its addresses; b is zeros again. It must begin and end with a page.
func dropPages(b []byte) { _ = syscall.Madvise(b, syscall.MADV_DONTNEED) }
