CREATE TABLE games (
	id   integer PRIMARY KEY,
	home text NOT NULL,
	away text NOT NULL
);

CREATE TABLE scores (
	game integer PRIMARY KEY REFERENCES games,
	home integer NOT NULL CHECK (home >= 0),
	away integer NOT NULL CHECK (away >= 0)
);

CREATE TABLE standings (
	team   text PRIMARY KEY,
	points integer NOT NULL
);

INSERT INTO standings VALUES ('Harbour', 0), ('Orchard', 0), ('Quarry', 0), ('Meadow', 0);
INSERT INTO games VALUES (1, 'Harbour', 'Orchard'), (2, 'Quarry', 'Meadow'), (3, 'Harbour', 'Nobody');
INSERT INTO scores SELECT id, 0, 0 FROM games;
