package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// An answer is the Worker's.
type answer struct {
	code           int
	body           string
	status, reason string // of the last statement, where the request asks for a report
}

// get sends a request for a path, such as "games/1?report".
func (d *dev) get(ctx context.Context, path string) (answer, error) {
	return d.send(ctx, http.MethodGet, path, nil)
}

// post sends a value as JSON.
func (d *dev) post(ctx context.Context, path string, value any) (answer, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return answer{}, err
	}
	return d.send(ctx, http.MethodPost, path, body)
}

// answerLimit is more than the Worker ever says.
const answerLimit = 1 << 20

func (d *dev) send(ctx context.Context, method, path string, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, d.url+"/"+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	response, err := d.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	reason, err := url.PathUnescape(response.Header.Get("overdrive-reason"))
	return answer{response.StatusCode, strings.TrimSpace(string(text)), response.Header.Get("overdrive-status"), reason}, err
}

// verdict is what the program said, in a few words.
func (a answer) verdict() string {
	if a.code != http.StatusOK {
		return fmt.Sprintf("%d %s", a.code, a.body)
	}
	return strings.TrimSuffix(cmp.Or(a.status, "without a status")+", "+a.reason, ", ")
}

// into reads the body of an answer that succeeded.
func (a answer) into(value any) error {
	if a.code != http.StatusOK {
		return fmt.Errorf("the Worker answers %d: %s", a.code, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), value); err != nil {
		return fmt.Errorf("%s: %w", a.body, err)
	}
	return nil
}
