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
	j := newJSONReader(data)
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
	spans   map[*yaml.Node]span // of all that was read, if it is not nil
}

func newJSONReader(data []byte) *jsonReader {
	j := &jsonReader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	j.dec.UseNumber()
	return j
}

// note keeps where a token stands that was read behind the offset before, or the end of one that is closed by it.
func (j *jsonReader) note(n *yaml.Node, before int, closes bool) {
	if j.spans == nil {
		return
	}
	end := int(j.dec.InputOffset())
	if closes {
		j.spans[n] = span{j.spans[n].start, end}
		return
	}
	blank := len(j.data[before:end]) - len(bytes.TrimLeft(j.data[before:end], " \t\r\n,:"))
	j.spans[n] = span{before + blank, end}
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
		before := int(j.dec.InputOffset())
		token, err := j.dec.Token()
		if err != nil {
			return nil, err
		}
		inner := open[len(open)-1]
		n := &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.FlowStyle, Line: j.here()}
		switch token {
		case json.Delim('}'), json.Delim(']'):
			j.note(inner, before, true)
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
		j.note(n, before, false)
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
