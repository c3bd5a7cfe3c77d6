create extension "uuid-ossp"; create extension pgcrypto; create extension moddatetime;
create table unrelated(a int); insert into unrelated values (1);
create table account(id serial primary key, name text unique, v int not null default 0 check (v >= 0));
insert into account(name) values ('one'), ('two'), ('three');
create table doc(id uuid primary key default uuid_generate_v4(), v text);
create table random_doc(id uuid primary key default gen_random_uuid(), v text);
create table token(id text primary key default encode(gen_random_bytes(8), 'hex'), v text);
create table seen(id int primary key, v text, updated_at timestamptz); insert into seen values (1, 'x');
create function touch() returns trigger language plpgsql as $$
BEGIN
  IF row(NEW.*) IS DISTINCT FROM row(OLD.*) THEN
    NEW.updated_at = now();
  END IF;
  RETURN NEW;
END $$;
create trigger touch before update on seen for each row execute function touch();
create table modded(id int primary key, v text, updated_at timestamp); insert into modded values (1, 'x');
create trigger modded before update on modded for each row execute function moddatetime(updated_at);
create table article(id int primary key, title text, body text, words tsvector); insert into article values (1, 'x', 'y');
create trigger article before insert or update on article for each row execute function
  tsvector_update_trigger(words, 'pg_catalog.english', title, body);
create table audit(id bigserial primary key, tab text, op text, old_row jsonb, new_row jsonb, who text, at timestamptz default now());
create table audited(id int primary key, v text); insert into audited values (1, 'x');
create function audit() returns trigger language plpgsql security definer as $$
DECLARE
  who text := current_setting('app.user', true);
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO audit(tab, op, old_row, who) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(OLD), who);
    RETURN OLD;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO audit(tab, op, old_row, new_row, who) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW), who);
    RETURN NEW;
  END IF;
  INSERT INTO audit(tab, op, new_row, who) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(NEW), who);
  RETURN NEW;
END $$;
create trigger audit after insert or update or delete on audited for each row execute function audit();
create table author(id int primary key, posts int not null default 0); insert into author values (1), (2);
create table post(id serial primary key, author int references author, v text);
create function count_posts() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    update author set posts = posts + 1 where id = new.author;
  elsif tg_op = 'DELETE' then
    update author set posts = posts - 1 where id = old.author;
  end if;
  return null;
end $$;
create trigger count_posts after insert or delete on post for each row execute function count_posts();
create table loud(id int primary key, v text); insert into loud values (1, 'x');
create function tell() returns trigger language plpgsql as $$ begin perform pg_notify('loud', new.id::text); return new; end $$;
create trigger tell after insert or update on loud for each row execute function tell();
create table guarded(id int primary key, v text); insert into guarded values (1, 'x');
create function guard() returns trigger language plpgsql as $$
begin
  if new.v = '' then
    raise exception 'empty' using errcode = '42601';
  end if;
  if exists (select 1 from account where name = new.v) then
    raise notice 'taken: %', new.v;
  end if;
  return new;
end $$;
create trigger guard before insert or update on guarded for each row execute function guard();
create table hidden(id int primary key, v text); insert into hidden values (1, 'x');
create function hide() returns trigger language plpgsql as $$
begin execute format('insert into %I(tab) values ($1)', 'audit') using tg_table_name; return new; end $$;
create trigger hide after insert or update on hidden for each row execute function hide();
create table parent(id int primary key, v text); insert into parent select n, 'x' from generate_series(1, 20) n;
create table child(id int primary key, p int references parent on delete cascade, v text); insert into child select n, n from generate_series(1, 20) n;
create table owner(id int primary key, v text); insert into owner select n, 'x' from generate_series(1, 20) n;
create table pet(id int primary key, o int references owner on update cascade on delete set null); insert into pet select n, n from generate_series(1, 20) n;
create table parted(id int, v text) partition by list (id);
create table parted1 partition of parted for values in (1); create table parted2 partition of parted for values in (2); insert into parted values (1, 'x');
create table tenancy(id int primary key, tenant text, v text); insert into tenancy values (1, '7', 'x');
alter table tenancy enable row level security; create policy tenancy on tenancy using (tenant = current_setting('app.tenant', true));
create materialized view summary as select count(*) as n, sum(v) as total from account; create unique index on summary(n);
create view names as select id, name from account;
create function total() returns bigint language sql stable as 'select sum(v) from account';
create function biggest(bottom int) returns int language plpgsql stable as 'declare m int; begin select max(v) into m from account where v >= bottom; return m; end';
create function raises() returns int language plpgsql as $$ begin raise exception 'no' using errcode = '42601'; end $$;
create procedure bump() language plpgsql as 'begin update account set v = v + 1 where id = 1; end';
create index account_v on account(v);
create function get_account(int) returns text language sql as 'select name from account where id = $1';
create function get_guarded(int) returns guarded language sql as 'select * from guarded where id = $1';
create function search_accounts(part text) returns table (id int, name text) language plpgsql as $$
begin
  return query select a.id, a.name from account a where a.name like '%' || part || '%' order by a.id;
end $$;
create function over(int) returns text language sql as 'select name from account where id = $1';
create function over(text) returns int language sql as 'select id from account where name = $1';
create function defined(int) returns bigint language plpgsql security definer as 'begin return (select count(*) from account where id > $1); end';
create function pathed() returns bigint language sql set search_path = public as 'select count(*) from account';
create function outer_total() returns bigint language plpgsql as 'begin perform get_account(1); return total() + defined(0); end';
create function factorial(n int) returns bigint language plpgsql as 'begin if n < 2 then return 1; end if; return n * factorial(n - 1); end';
create function greet(who text, word text default 'hello ' || lower('X')) returns text language sql as 'select word || who';
create function each_account() returns setof text language plpgsql as $$
declare r record;
begin
  for r in select name from account order by id loop
    return next r.name;
  end loop;
end $$;
create function atomic_total() returns bigint language sql begin atomic select sum(v) from account; end;
create function name_of(int) returns text language plpgsql as $$
declare found_name text;
begin
  select name into strict found_name from account where id = $1;
  return found_name;
exception when no_data_found then
  return null;
end $$;
create function log_login(who int) returns void language plpgsql as 'begin insert into audit(tab, op) values (''login'', who::text); end';
create function rename_account(which int, new_name text) returns int language sql as 'update account set name = new_name where id = which returning id';
create function slug(text) returns text language plpgsql as 'begin return lower(regexp_replace($1, ''[^A-Za-z]+'', ''-'', ''g'')); end';
create function take_turn() returns int language plpgsql as $$
declare turn int;
begin
  update account set v = v + 1 where id = (select min(id) from account) returning v into turn;
  perform log_login(turn);
  return turn;
end $$;
create function atomic_log(who int) returns void language sql begin atomic insert into audit(tab) values ('x'); update account set v = v + 1 where id = who; end;
create procedure bump_quietly() language plpgsql as 'begin update account set v = v + 1 where id = 2; end';
create role web_anon; grant all on all tables in schema public to web_anon; grant all on all sequences in schema public to web_anon;
create schema api; grant usage on schema api to web_anon; create view api.accounts as select id, name from account; grant select on api.accounts to web_anon;

-- Functions that say whose rows are meant.
create function become(tenant text) returns void language plpgsql as $$ begin perform set_config('app.tenant', tenant, false); end $$;
create function become_local(tenant text) returns text language sql as $$ select set_config('app.tenant', tenant, true) $$;
create function become_by_text(tenant text) returns void language plpgsql security definer as $$ begin execute format('set app.tenant = %L', tenant); end $$;
