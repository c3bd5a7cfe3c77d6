package pglocal

import "syscall"

// A data directory has a thousand files, and each database as many again as it has tables. To make and remove them in memory takes a
// tenth of what it takes on a disk.
const (
	memoryRoot  = "/dev/shm"
	memoryNeeds = 4 << 30 // bytes that must be free there: a container may have 64 MiB

	tmpfsMagic = 0x01021994 // of statfs(2)
	writable   = 2          // W_OK of access(2)
)

// scratchRoot returns where data directories are made: in memory where there is enough of it, else "", the usual place.
func scratchRoot() string {
	var fs syscall.Statfs_t
	if syscall.Statfs(memoryRoot, &fs) != nil || fs.Type != tmpfsMagic || fs.Bavail*uint64(fs.Bsize) < memoryNeeds ||
		syscall.Access(memoryRoot, writable) != nil {
		return ""
	}
	return memoryRoot
}
