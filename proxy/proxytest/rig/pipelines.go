package rig

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

var errNoResult = errors.New("a pipeline has another result than was asked for")

// ReadResult returns the next result of a pipeline.
func ReadResult(p *pgconn.Pipeline) (*pgconn.Result, error) {
	results, err := p.GetResults()
	if err != nil {
		return nil, err
	}
	reader, ok := results.(*pgconn.ResultReader)
	if !ok {
		return nil, errNoResult
	}
	result := reader.Read()
	return result, result.Err
}
