package main

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ulikunitz/xz"
)

// maxUnpacked bounds what an archive may unpack to. That of Linux has 60 MB.
const maxUnpacked = 1 << 30

// unpack unpacks an archive into dir: a zip that holds one tar, compressed by xz. Nothing is written outside of dir. What is a program in
// the archive is one there.
func unpack(archive []byte, dir string) error {
	outer, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return err
	}
	for _, f := range outer.File {
		if !strings.HasSuffix(f.Name, ".txz") {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return err
		}
		defer in.Close()
		inner, err := xz.NewReader(bufio.NewReader(in))
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if err := unpackTar(tar.NewReader(inner), dir); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		return nil
	}
	return errors.New("the archive holds no .txz")
}

func unpackTar(in *tar.Reader, dir string) error {
	root, err := os.OpenRoot(dir) // through which no name and no link leads outside
	if err != nil {
		return err
	}
	defer root.Close()
	left := int64(maxUnpacked)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if left -= h.Size; left < 0 {
			return fmt.Errorf("more than %d MiB", maxUnpacked>>20)
		}
		if err := unpackOne(root, h, in); err != nil {
			return err
		}
	}
}

func unpackOne(root *os.Root, h *tar.Header, content io.Reader) error {
	name := filepath.Clean(h.Name)
	if h.Typeflag == tar.TypeDir {
		return makeDir(root, name)
	}
	if err := makeDir(root, filepath.Dir(name)); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return writeFile(root, name, h.FileInfo().Mode(), content)
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		return root.Link(filepath.Clean(h.Linkname), name)
	}
	return fmt.Errorf("%s: neither file, directory nor link", h.Name)
}

func makeDir(root *os.Root, name string) error {
	if name == "." {
		return nil
	}
	return root.MkdirAll(name, 0o755)
}

func writeFile(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	perm := fs.FileMode(0o644)
	if mode&0o100 != 0 {
		perm = 0o755
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
