package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// This file replaces a file all at once: whoever reads it has the old content or the new one, and so has who finds it after a crash.

// errChanged says that somebody else has changed the file since it was read.
var errChanged = errors.New("the file has changed meanwhile")

// target is a file that is about to be replaced. It is locked against others who replace it in this way.
type target struct {
	name    string // of the file itself, behind all links
	file    *os.File
	content []byte // nil: there is no file
}

// manyTries bounds the times that others who take the lock may be faster. Each of them has then done its work.
const manyTries = 1000

// newMode is that of a file that was not there: it will hold passwords.
const newMode = 0o600

// openTarget reads and locks a file that may be there or not. Where name is a link, the file is what it leads to.
func openTarget(name string) (*target, error) {
	real, err := filepath.EvalSymlinks(name)
	if errors.Is(err, os.ErrNotExist) {
		if link, err := os.Readlink(name); err == nil {
			return nil, fmt.Errorf("%s is a link to %s, which is not there", name, link)
		}
		return &target{name: name}, nil
	}
	if err != nil {
		return nil, err
	}
	for range manyTries {
		t, err := lockTarget(real)
		if !errors.Is(err, errChanged) {
			return t, err
		}
	}
	return nil, errChanged
}

func lockTarget(name string) (*target, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	t := &target{name: name, file: f}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err == nil {
		err = lock(f)
	}
	if err == nil && !t.isThere() { // who had the lock has replaced it
		err = errChanged
	}
	if err == nil {
		t.content, err = io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if t.content == nil {
		t.content = []byte{}
	}
	return t, nil
}

// isThere says whether the name still leads to the file that is open.
func (t *target) isThere() bool {
	opened, err := t.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(t.name)
	return err == nil && os.SameFile(opened, named)
}

// close ends the lock.
func (t *target) close() {
	if t.file != nil {
		t.file.Close()
	}
}

// replace puts text in place of the file, with the file's mode and owner. It is errChanged if somebody who takes no lock, an editor say,
// has written the file since it was read.
func (t *target) replace(text []byte) (err error) {
	next, err := os.CreateTemp(filepath.Dir(t.name), "."+filepath.Base(t.name)+".*.tmp")
	if err != nil {
		return fmt.Errorf("%s cannot be replaced: %w", t.name, err)
	}
	defer func() {
		if err != nil {
			os.Remove(next.Name())
		}
	}()
	if err := t.fill(next, text); err != nil {
		return fmt.Errorf("%s cannot be replaced: %w", t.name, err)
	}
	if err := t.put(next.Name()); err != nil {
		return err
	}
	syncDirectory(filepath.Dir(t.name))
	return nil
}

// fill writes the new file and closes it.
func (t *target) fill(next *os.File, text []byte) error {
	err := next.Chmod(newMode)
	if err == nil && t.file != nil {
		err = takeAfter(next, t.file)
	}
	if err == nil {
		_, err = next.Write(text)
	}
	if err == nil {
		err = next.Sync()
	}
	return errors.Join(err, next.Close())
}

// put has the file's name lead to the new file.
func (t *target) put(next string) error {
	if t.content == nil {
		err := os.Link(next, t.name) // unlike a rename it does not replace what somebody else has made meanwhile
		if errors.Is(err, os.ErrExist) {
			return errChanged
		}
		if err == nil {
			return os.Remove(next)
		}
		if _, there := os.Lstat(t.name); there == nil { // and the file system knows no links
			return errChanged
		}
		if err := os.Rename(next, t.name); err != nil {
			return fmt.Errorf("%s cannot be made: %w", t.name, err)
		}
		return nil
	}
	now, err := os.ReadFile(t.name)
	if err != nil || !bytes.Equal(now, t.content) || !t.isThere() {
		return errChanged
	}
	if err := os.Rename(next, t.name); err != nil {
		return fmt.Errorf("%s cannot be replaced: %w", t.name, err)
	}
	return nil
}

// syncDirectory has the rename survive a crash. Not every file system can.
func syncDirectory(name string) {
	if dir, err := os.Open(name); err == nil {
		_ = dir.Sync()
		dir.Close()
	}
}
