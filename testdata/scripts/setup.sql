-- What the scripts beside this file find. It is run once in an empty database; every script may be run any number of
-- times after it, so a script that writes first empties what it writes to.

create table fruit (id int primary key, name text not null, price numeric(6,2), tasty bool);
insert into fruit values
    (1, 'apple', 0.50, true), (2, 'banana', 0.25, true), (3, 'cherry', 12.00, null), (4, 'durian', null, false),
    (5, 'élderberry', 3.10, true);

create table scratch (id int primary key, note text);
create table nothing ();
create table changing (a int);
create schema elsewhere;
create table elsewhere.changing (z text);
create view cheap as select id, name from fruit where price < 1;

create function add(a int, b int) returns int language sql immutable as 'select a + b';
create function grumble(what text) returns void language plpgsql as $$
begin
    raise notice 'grumbling about %', what;
    raise warning 'really: %', what using hint = 'ignore it', errcode = '01234';
end $$;
