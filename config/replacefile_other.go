//go:build !unix

package config

import "os"

// lock does nothing where the system has no such locks: that the file has changed meanwhile is seen all the same.
func lock(*os.File) error { return nil }

func takeAfter(next, old *os.File) error {
	info, err := old.Stat()
	if err != nil {
		return err
	}
	return next.Chmod(info.Mode().Perm())
}
