package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// version is that of PostgreSQL. A newer one needs the sums of its archives below: Maven Central has each beside its archive, with the
// ending .sha256, and who changes them compares both.
const version = "15.19.0"

// sums are the SHA-256 of the archives, by platform.
var sums = map[string]string{
	"linux-amd64":        "95f0b66fe72d4ca66c815773c44cb1196ea38552463e89a35f18114b3ed1565f",
	"linux-amd64-alpine": "a04a72fb429fed3624507f54244a69f43be491c67f744e58c1a3696a67262aab",
	"linux-arm64v8":      "95baf4bd4af31b91b3050118df59388ed0064756b556b850669e0300aa7b9911",
	"darwin-amd64":       "11d0a55e26f4c74c6ea6c72c5e4e6ac959b29a06cc6da5e5ac8162f9fd9f8055",
	"darwin-arm64v8":     "9bfc44d3f50298bb14fa125da4b67a36f382f8134ab2fc95349b72bcd5ec4e87",
}

// A release is an archive of PostgreSQL for one platform.
type release struct {
	version  string
	platform string // as the archives are called
	sum      string // SHA-256 in hexadecimal
}

// releaseFor returns the release for a platform, or an error if there is none.
func releaseFor(platform string) (release, error) {
	sum, known := sums[platform]
	if !known {
		return release{}, fmt.Errorf("there is no ready PostgreSQL for %s", platform)
	}
	return release{version, platform, sum}, nil
}

// platform is the one that this program runs on, as the archives are called.
func platform() string {
	name := runtime.GOOS + "-" + strings.ReplaceAll(runtime.GOARCH, "arm64", "arm64v8")
	// What is linked with glibc does not run where only musl is.
	if musl, _ := filepath.Glob("/lib/ld-musl-*"); len(musl) > 0 {
		if glibc, _ := filepath.Glob("/lib*/ld-linux-*"); len(glibc) == 0 {
			name += "-alpine"
		}
	}
	return name
}

// repository is where archives are fetched from, unless another is named.
func repository(named string) string {
	return strings.TrimSuffix(cmp.Or(named, "https://repo1.maven.org/maven2"), "/")
}

// url is where a repository of Maven's has the archive.
func (r release) url(repository string) string {
	artifact := "embedded-postgres-binaries-" + r.platform
	return fmt.Sprintf("%s/io/zonky/test/postgres/%s/%s/%s-%s.jar", repository, artifact, r.version, artifact, r.version)
}

// name is what the release is called in the cache. Another archive has another name.
func (r release) name() string { return r.version + "-" + r.platform + "-" + r.sum[:8] }
