package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// parseJSON reads token by token rather than into a map, since a map would hide keys that are there twice. YAML's parser
// would not do: it refuses \/ and characters in two halves such as \ud83d\ude00, which programs write into their JSON.
func parseJSON(data []byte) (*yaml.Node, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	}
	j := &jsonReader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	j.dec.UseNumber()
	root, err := j.value()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", j.here(), err)
	}
	return root, nil
}

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

// value reads the one value of the file. The keys and values of an object follow each other as the items of an array do.
func (j *jsonReader) value() (*yaml.Node, error) {
	file := new(yaml.Node)
	for open := []*yaml.Node{file}; len(open) > 1 || len(file.Content) == 0; {
		token, err := j.dec.Token()
		if err != nil {
			return nil, err
		}
		n := &yaml.Node{Kind: yaml.ScalarNode, Line: j.here()}
		switch token {
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			continue
		case json.Delim('{'):
			n.Kind = yaml.MappingNode
		case json.Delim('['):
			n.Kind = yaml.SequenceNode
		case nil:
			n.Tag = "!!null"
		default:
			n.Tag, n.Value = "!!str", fmt.Sprint(token)
		}
		inner := open[len(open)-1]
		inner.Content = append(inner.Content, n)
		if n.Kind != yaml.ScalarNode {
			open = append(open, n)
		}
	}
	if _, err := j.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the end of the value")
	}
	return file.Content[0], nil
}
