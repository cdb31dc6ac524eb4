package cpufallback

import "syscall"

const mapped = true

// mapMemory gives zeroed memory, on huge pages where the kernel has some.
func mapMemory(bytes int) ([]byte, error) {
	raw, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	_ = syscall.Madvise(raw, syscall.MADV_HUGEPAGE) // an advice: without it memory is slower, not wrong
	return raw, nil
}

func unmapMemory(raw []byte) {
	if err := syscall.Munmap(raw); err != nil {
		panic("cpufallback: memory that was not mapped is freed: " + err.Error())
	}
}
