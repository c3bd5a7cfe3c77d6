package catalog

import (
	"errors"
	"fmt"

	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
)

// Survey does once what a Keeper does again and again: it reads the catalog of the database, as its usual sessions see it. The error
// says why nothing could be cached there. The connection is of no more use for anything else.
func Survey(conn *upstream.Conn) (*classify.Catalog, error) {
	if _, err := conn.Query(classify.SessionSettings); err != nil {
		return nil, fmt.Errorf("begin a session: %w", err)
	}
	rows, err := conn.Query(classify.LoginQuery())
	if err != nil {
		return nil, err
	}
	login, err := classify.ReadLogin(rows)
	if err != nil {
		return nil, err
	}
	if rows, err = conn.Query(classify.RightsQuery(login.Role)); err != nil {
		return nil, err
	}
	rights, err := classify.ReadRights(rows)
	if err != nil {
		return nil, err
	}
	if rights == nil {
		return nil, errBlind
	}
	if _, err := conn.Query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, err
	}
	results, err := classify.AskCatalog(conn.Query)
	if err != nil {
		return nil, err
	}
	inventory, err := classify.NewInventory(results)
	if err != nil {
		return nil, err
	}
	seen, ok := inventory.Seen(login.SearchPath, rights)
	if !ok {
		return nil, errors.New("the search_path is not understood: " + login.SearchPath)
	}
	return seen, nil
}
