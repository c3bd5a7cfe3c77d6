//go:build unix

package config

import (
	"errors"
	"os"
	"syscall"
)

// lock waits until nobody else has the file locked. The lock ends when the file is closed.
func lock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// takeAfter gives a new file the mode and the owner of an old one. The owner first: a change of it may take bits of the mode.
func takeAfter(next, old *os.File) error {
	info, err := old.Stat()
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && (int(owner.Uid) != os.Geteuid() || int(owner.Gid) != os.Getegid()) {
		if err := next.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return next.Chmod(info.Mode().Perm())
}
