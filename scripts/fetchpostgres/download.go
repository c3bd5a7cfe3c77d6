package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Bounds of a download. The largest archive, for macOS, has 62 MB.
const (
	maxArchive    = 128 << 20
	downloadLimit = 10 * time.Minute
)

// download returns the archive at url, whose SHA-256 must be sum.
func download(ctx context.Context, url, sum string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	archive, err := io.ReadAll(io.LimitReader(response.Body, maxArchive+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	if len(archive) > maxArchive {
		return nil, fmt.Errorf("%s: larger than %d MiB", url, maxArchive>>20)
	}
	got := sha256.Sum256(archive)
	if text := hex.EncodeToString(got[:]); text != sum {
		return nil, fmt.Errorf("%s: its SHA-256 is %s, not %s: it is not used", url, text, sum)
	}
	return archive, nil
}
