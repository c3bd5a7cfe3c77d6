package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// program is a PostgreSQL as far as it is asked for its version.
const program = "#!/bin/sh\necho \"$0 $1\"\n"

// archiveOf makes an archive as they are at Maven Central.
func archiveOf(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var archive, packed bytes.Buffer
	compressor, err := xz.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	inner := tar.NewWriter(compressor)
	for _, h := range entries {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = program
			h.Size = int64(len(content))
		}
		if err := inner.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := inner.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	inner.Close()
	compressor.Close()
	outer := zip.NewWriter(&archive)
	for name, content := range map[string]*bytes.Buffer{"META-INF/MANIFEST.MF": bytes.NewBufferString("x"), "postgres-linux-x86_64.txz": &packed} {
		w, err := outer.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	outer.Close()
	return archive.Bytes()
}

func programs() []tar.Header {
	return []tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o700},
		{Name: "bin/initdb", Typeflag: tar.TypeReg, Mode: 0o700},
		{Name: "bin/postgres", Typeflag: tar.TypeReg, Mode: 0o700},
		{Name: "lib/libpq.so.5.17", Typeflag: tar.TypeReg, Mode: 0o600},
		{Name: "lib/libpq.so", Typeflag: tar.TypeSymlink, Linkname: "libpq.so.5.17"},
	}
}

// serve makes a repository that has one archive, as the release of this platform, and returns how often it was asked.
func serve(t *testing.T, archive []byte) *int {
	t.Helper()
	sum, known := sha256.Sum256(archive), sums[platform()]
	sums[platform()] = hex.EncodeToString(sum[:])
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path != "/maven2/io/zonky/test/postgres/embedded-postgres-binaries-"+platform()+"/"+version+
			"/embedded-postgres-binaries-"+platform()+"-"+version+".jar" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(archive)
	}))
	t.Cleanup(func() {
		s.Close()
		sums[platform()] = known
	})
	t.Setenv("OVERDRIVE_MAVEN", s.URL+"/maven2/")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(t.TempDir(), "cache"))
	return &asked
}

func TestRun_FetchesOnceAndFindsItAgain(t *testing.T) {
	asked := serve(t, archiveOf(t, programs()...))
	if _, err := run(t.Context(), true); err == nil {
		t.Error("something was found before it was fetched")
	}
	first, err := run(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		"initdb": 0o755, "postgres": 0o755, ".": 0o755 | os.ModeDir, "..": 0o755 | os.ModeDir, "../lib/libpq.so": 0o644,
	} {
		if info, err := os.Stat(filepath.Join(first, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: got %v, %v, want %v for whoever PostgreSQL runs as", name, info, err, want)
		}
	}
	for _, onlyCached := range []bool{true, false} {
		if again, err := run(t.Context(), onlyCached); err != nil || again != first {
			t.Errorf("got %q, %v, want %q again", again, err, first)
		}
	}
	if *asked != 1 {
		t.Errorf("asked %d times, want once", *asked)
	}
	if left, _ := filepath.Glob(filepath.Join(first, "../../unfinished-*")); len(left) > 0 {
		t.Errorf("%s were left", left)
	}
}

func TestRun_UsesNothingWithAnotherSum(t *testing.T) {
	serve(t, archiveOf(t, programs()...))
	sums[platform()] = strings.Repeat("0", 64)
	if dir, err := run(t.Context(), false); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("got %q, %v", dir, err)
	}
	if dir, err := run(t.Context(), true); err == nil {
		t.Errorf("%s was kept", dir)
	}
}

func TestRun_KeepsNothingThatIsNotWholeOrDoesNotRun(t *testing.T) {
	broken := programs()
	broken[2].Mode = 0o600
	for name, archive := range map[string][]byte{
		"no zip": []byte("hello"), "no postgres": archiveOf(t, programs()[:2]...), "not a program": archiveOf(t, broken...),
		"a device": archiveOf(t, append(programs(), tar.Header{Name: "x", Typeflag: tar.TypeChar})...),
	} {
		serve(t, archive)
		if dir, err := run(t.Context(), false); err == nil {
			t.Errorf("%s: got %s", name, dir)
		}
		if left, _ := filepath.Glob(os.Getenv("XDG_CACHE_HOME") + "/overdrive/postgresql/*"); len(left) > 0 {
			t.Errorf("%s: %s were left", name, left)
		}
	}
}

func TestUnpack_WritesNothingOutside(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"a name":          {{Name: "../outside", Typeflag: tar.TypeReg, Mode: 0o600}},
		"an absolute one": {{Name: "/outside", Typeflag: tar.TypeReg, Mode: 0o600}},
		"a link": {
			{Name: "way", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "way/outside", Typeflag: tar.TypeReg, Mode: 0o600},
		},
	} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "dir")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unpack(archiveOf(t, entries...), dir); err == nil {
			t.Errorf("%s: nobody objected", name)
		}
		if _, err := os.Stat(filepath.Join(parent, "outside")); err == nil {
			t.Errorf("%s led outside", name)
		}
	}
}

func TestCache_IsTheUsersAndForRootOneThatOthersCanReach(t *testing.T) {
	t.Setenv("HOME", "/home/plain")
	t.Setenv("XDG_CACHE_HOME", "")
	if got, err := newCache(0, ""); err != nil || got.root != "/var/cache/overdrive/postgresql" {
		t.Errorf("root: got %v, %v", got, err)
	}
	if got, err := newCache(1000, ""); err != nil || !strings.HasPrefix(got.root, "/home/plain/") {
		t.Errorf("a user: got %v, %v", got, err)
	}
	for _, uid := range []int{0, 1000} {
		if got, err := newCache(uid, "/elsewhere"); err != nil || got.root != "/elsewhere/overdrive/postgresql" {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if got, err := newCache(1000, "here"); err == nil {
		t.Errorf("got %v for a relative path", got)
	}
}

func TestRelease_IsThereForWhatTheProjectIsBuiltOn(t *testing.T) {
	for _, platform := range []string{"linux-amd64", "linux-amd64-alpine", "linux-arm64v8", "darwin-amd64", "darwin-arm64v8"} {
		if r, err := releaseFor(platform); err != nil || len(r.sum) != 64 {
			t.Errorf("%s: got %v, %v", platform, r, err)
		}
	}
	if _, err := releaseFor("plan9-mips"); err == nil || !strings.Contains(err.Error(), "plan9-mips") {
		t.Errorf("got %v", err)
	}
}
