package checklist_test

// The schema of an application of the usual kind, and what the extensions add to it.

const harmlessSchema = `
create schema shop;
create type shop.order_status as enum ('new', 'paid', 'shipped');
create type mood as enum ('sad', 'ok', 'happy');
create domain email as text check (value ~ '^[^@]+@[^@]+$');
create domain positive_int as int check (value > 0);
create table users(id bigint primary key, email text not null, name text, nick varchar(40), active bool default true, mood mood, mail email,
  settings jsonb default '{}', tags text[] default '{}', created_at timestamptz not null default now(), birthday date, token uuid,
  balance numeric(12,2) default 0);
create table posts(id bigint primary key, user_id bigint references users, title text, body text, status varchar(20), published_at timestamp,
  meta jsonb, search tsvector, views int default 0, rating float8, deleted_at timestamptz);
create table comments(id bigint primary key, post_id bigint references posts, parent_id bigint, author text, body text, created_at timestamptz);
create table shop.orders(id bigint primary key, user_id bigint, status shop.order_status, total numeric(10,2), quantity positive_int,
  placed_at timestamptz, lines jsonb, note text);
create table shop.products(id int primary key, sku text, name text, price numeric(10,2), attributes jsonb, available daterange, stock int[]);
create table events(id int primary key, kind text, payload jsonb, at timestamptz, day date, during tstzrange, happened_on text);
create table schedule(id int primary key, opens timetz, shop text, class regclass);
create view active_users as select id, email, name from users where active;
insert into users select i, 'u' || i || '@example.org', 'User ' || i, 'nick' || i, i % 3 > 0, 'ok', 'm' || i || '@example.org',
  '{"theme": "dark", "n": 1, "since": "2024-01-02"}', '{a,b}', '2024-01-01'::timestamptz + i * interval '1 day', '1990-01-01', gen_random_uuid(), i
  from generate_series(1, 20) i;
insert into posts select i, 1 + i % 20, 'Title ' || i, 'body of it', 'published', '2024-02-01'::timestamp + i * interval '1 hour', '{"lang": "en", "d": "2024-05-05"}',
  to_tsvector('english', 'the quick fox ' || i), i, i / 2.0, null from generate_series(1, 40) i;
insert into comments select i, 1 + i % 40, null, 'somebody', 'now and then', '2024-03-01' from generate_series(1, 40) i;
insert into shop.orders select i, 1 + i % 20, 'paid', i * 10, 1, '2024-03-01', '[{"sku": "a", "n": 2}]', 'asap' from generate_series(1, 20) i;
insert into shop.products select i, 'sku' || i, 'Thing ' || i, i, '{"colour": "red", "until": "2024-07-07"}', '[2024-01-01,2024-12-31]', '{1,2,3}' from generate_series(1, 10) i;
insert into events select i, 'click', '{"d": "2024-04-04", "at": "2024-04-04 10:00"}', '2024-04-04', '2024-04-04', '[2024-04-04,2024-04-05]', '2024-04-04' from generate_series(1, 10) i;
insert into schedule values (1, '10:00', 'corner', 'users');
`

// harmlessExtensions says what makes the tables of an extension.
var harmlessExtensions = map[string]string{
	"citext":   `create table accounts(id int primary key, login citext unique, name text); insert into accounts values (1, 'Ann', 'Ann'), (2, 'bob', 'Bob')`,
	"pg_trgm":  `create index on posts using gin (title gin_trgm_ops)`,
	"hstore":   `create table bags(id int primary key, h hstore); insert into bags values (1, 'a=>1, b=>2')`,
	"ltree":    `create table nodes(id int primary key, path ltree); insert into nodes values (1, 'top.a'), (2, 'top.a.b')`,
	"intarray": `create table sets(id int primary key, members int[]); insert into sets values (1, '{1,2,3}')`,
	"unaccent": "", "pgcrypto": "", "uuid-ossp": "", "fuzzystrmatch": "",
	"btree_gist": `create table bookings(room int, during tstzrange, exclude using gist (room with =, during with &&)); insert into bookings values (1, '[2024-01-01,2024-01-02]')`,
	"vector": `create table items(id int primary key, name text, embedding vector(3)); insert into items select i, 'item', array[i, i, i]::vector(3) from generate_series(1, 20) i;
		create index on items using hnsw (embedding vector_l2_ops)`,
	"postgis": `create table places(id int primary key, name text, at geometry(Point, 4326), spot geography(Point, 4326));
		insert into places select i, 'place', ST_SetSRID(ST_MakePoint(i, i), 4326), ST_SetSRID(ST_MakePoint(i, i), 4326)::geography from generate_series(1, 20) i;
		create index on places using gist (at)`,
}
