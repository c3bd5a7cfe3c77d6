package postgres

import (
	"context"
	"fmt"

	"overdrive/proxy/postgres/upstream"
)

// connectOwn logs in as the origin does for its clients, and then has the session's settings be those that are named, by
// statements which look up no name. They come first: what roles and databases have set holds for nothing that we ask.
//
// They are not part of the login, since such values would stand in the way of those that other logins come with, which
// classify.LoginQuery asks for.
func (o *origin) connectOwn(ctx context.Context, settings string) (*upstream.Conn, error) {
	way := o.way.Load()
	if way.credential == nil {
		return nil, fmt.Errorf("user %q: %w", o.User, errNoCredential)
	}
	conn, err := way.dialer.Connect(ctx, way.credential)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.NC.Close() })()
	if _, err := conn.Query(settings); err != nil {
		conn.NC.Close()
		return nil, fmt.Errorf("begin a session: %w", err)
	}
	return conn, nil
}
