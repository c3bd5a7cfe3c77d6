package serving

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// A Row is one of an answer, by column. NULL is an empty text.
type Row map[string]string

// Number returns a column's value as a whole number, and 0 for NULL.
func (r Row) Number(column string) int {
	n, _ := strconv.Atoi(r[column])
	return n
}

// Ask returns the rows of a statement, of the console or of a database.
func Ask(ctx context.Context, conn *pgconn.PgConn, sql string) ([]Row, error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sql, err)
	}
	var rows []Row
	for _, result := range results {
		for _, values := range result.Rows {
			r := make(Row)
			for i, field := range result.FieldDescriptions {
				r[field.Name] = string(values[i])
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}
