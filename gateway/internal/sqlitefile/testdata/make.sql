-- sqlite3 testdata/kinds.db < testdata/make.sql
PRAGMA page_size = 512;
CREATE TABLE kinds (`id` integer PRIMARY KEY AUTOINCREMENT, "number" integer, real REAL, [text] text DEFAULT (',' || ')'), bytes BLOB, CHECK (number < 9e18));
INSERT INTO kinds VALUES (1, NULL, NULL, NULL, NULL), (2, 0, 0.5, '', x''), (3, 1, -1e300, 'häßlich, (ja)', x'00ff'),
  (4, -1, 0, 'a', 'b'), (5, 127, 0, '', ''), (6, -32768, 0, '', ''), (7, 8388607, 0, '', ''), (8, -2147483648, 0, '', ''),
  (9, 140737488355327, 0, '', ''), (10, -9000000000000000000, 0, '', '');
INSERT INTO kinds VALUES (11, 0, 0, printf('%.*c', 5000, 'x'), NULL);
CREATE TABLE many (id integer, name text, PRIMARY KEY (id));
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO many SELECT i, 'row ' || i FROM n;
DELETE FROM many WHERE id % 3 = 0;
ALTER TABLE many ADD COLUMN later text DEFAULT 'default';
INSERT INTO many VALUES (3001, 'last', 'here');
CREATE INDEX many_names ON many (name);
CREATE TABLE empty (a, b);
CREATE TABLE numberless (a text PRIMARY KEY, b) WITHOUT ROWID;
INSERT INTO numberless VALUES ('a', 1);
