package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

func parseJSON(data []byte) (*node, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return &node{kind: tableNode}, nil
	}
	j := &jsonReader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	j.dec.UseNumber()
	root, err := j.node(0)
	if err == nil {
		if _, tail := j.dec.Token(); !errors.Is(tail, io.EOF) {
			err = errors.New("text after the end of the value")
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", j.here(), err)
	}
	return root, nil
}

// jsonReader reads token by token rather than into a map, since a map would hide keys that are there twice.
type jsonReader struct {
	dec     *json.Decoder
	data    []byte
	counted int64 // offset up to which line is counted
	line    int
}

// here returns the line of the token read last.
func (j *jsonReader) here() int {
	offset := j.dec.InputOffset()
	j.line += bytes.Count(j.data[j.counted:offset], []byte("\n"))
	j.counted = offset
	return j.line
}

func (j *jsonReader) node(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	token, err := j.dec.Token()
	if err != nil {
		return nil, err
	}
	out := &node{line: j.here()}
	switch token {
	case nil:
		return out, nil
	case json.Delim('['):
		out.kind = listNode
		for j.dec.More() {
			item, err := j.node(depth + 1)
			if err != nil {
				return nil, err
			}
			out.list = append(out.list, item)
		}
		_, err = j.dec.Token()
		return out, err
	case json.Delim('{'):
		out.kind = tableNode
		return out, j.table(out, depth)
	default:
		out.kind, out.scalar = scalarNode, fmt.Sprint(token)
		return out, nil
	}
}

func (j *jsonReader) table(out *node, depth int) error {
	have := make(map[string]bool)
	for j.dec.More() {
		token, err := j.dec.Token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return errors.New("a key must be a string")
		}
		if have[key] {
			return fmt.Errorf("%s is there twice", quoteName(key))
		}
		have[key] = true
		value, err := j.node(depth + 1)
		if err != nil {
			return err
		}
		out.table = append(out.table, entry{key, value})
	}
	_, err := j.dec.Token()
	return err
}
