package main

import (
	"context"
	"fmt"
	"net/url"

	"overdrive/proxy/proxytest/pglocal"
)

// What the demonstration's shop holds. The orders are so many that the report takes PostgreSQL tens of milliseconds.
const (
	demoProducts = 1000
	demoOrders   = 400000
)

// Who uses the shop. The password guards a server that lives for the demonstration and listens on this machine only.
const (
	demoUser     = "app"
	demoPassword = "demo"
	demoDatabase = "shop"
)

// demoHBA has clients prove who they are, as they would in earnest.
var demoHBA = []string{"host all all 127.0.0.1/32 scram-sha-256"}

// demoDSN is the shop's URL at an address: PostgreSQL's own or Overdrive's. Nothing else in it differs.
func demoDSN(address string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(demoUser, demoPassword), Host: address,
		Path: "/" + demoDatabase, RawQuery: "sslmode=disable"}
	return u.String()
}

const createTables = `
set role ` + demoUser + `;
create table products (
	id       integer primary key,
	name     text not null,
	category text not null,
	price    numeric(10,2) not null
);
create table orders (
	id       bigint generated always as identity primary key,
	product  integer not null,
	quantity integer not null
);`

const fillTables = `
insert into products (id, name, category, price)
select n, 'product ' || n, (array['books', 'games', 'garden', 'kitchen', 'music'])[1 + n %% 5], 1 + n %% 97
from generate_series(1, %d) n;
insert into orders (product, quantity)
select 1 + n * 389 %% %d, 1 + n %% 3
from generate_series(1, %d) n;
alter table orders add foreign key (product) references products;`

// fillShop creates the user, the database and its tables.
func fillShop(ctx context.Context, db *pglocal.Server) error {
	for _, step := range []struct{ database, sql string }{
		{"postgres", fmt.Sprintf("create role %s login password '%s'", demoUser, demoPassword)},
		{"postgres", fmt.Sprintf("create database %s owner %s", demoDatabase, demoUser)},
		{demoDatabase, createTables},
		{demoDatabase, fmt.Sprintf(fillTables, demoProducts, demoProducts, demoOrders)},
		{demoDatabase, "vacuum analyze"},
	} {
		if err := db.Exec(ctx, step.database, step.sql); err != nil {
			return err
		}
	}
	return nil
}

// The tour's statements. The first two are sent with a parameter, as drivers do.
const (
	demoReport = `select count(*), sum(o.quantity * p.price) from orders o join products p on p.id = o.product where p.category = $1`
	demoOrder  = `insert into orders (product, quantity) values ($1, 1)`

	demoCategory = "kitchen"
	demoProduct  = "3" // in that category
)
