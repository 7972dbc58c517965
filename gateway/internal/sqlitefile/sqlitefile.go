// Package sqlitefile reads the tables of SQLite database files, row by row and without SQL. It is
// for databases of other programs, which are read once: it knows no indexes, no views and no
// journals, and writes nothing. Its format is https://www.sqlite.org/fileformat2.html.
//
// A file is taken for damaged rather than guessed at, and no file makes it read a page twice.
package sqlitefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"
)

const (
	magic      = "SQLite format 3\x00"
	headerSize = 100
	// The kinds of pages of a table's tree.
	interiorPage = 5
	leafPage     = 13
	// maxDepth bounds a table's tree; SQLite's own are far below.
	maxDepth = 20
	// maxRow bounds a row, in bytes.
	maxRow = 16 << 20
)

// ErrDamaged is a file that does not have SQLite's form, or ends early.
var ErrDamaged = errors.New("the database file is damaged, or was copied while it was written")

// Is tells whether content begins as a database does.
func Is(content []byte) bool { return bytes.HasPrefix(content, []byte(magic)) }

// File is a database.
type File struct {
	content  []byte
	pageSize int
	// usable is what of a page holds data, in bytes.
	usable int
	tables map[string]table
}

// table is what the schema says of one.
type table struct {
	root    int
	columns []string
	// rowID is the column that stands for the row's number, which is not stored; -1: none.
	rowID int
}

// Row has a row's values by the names of their columns: nil, int64, float64, string or []byte. A
// column that was added to the table later is not in the rows of before.
type Row map[string]any

// Open reads the schema.
func Open(content []byte) (*File, error) {
	if !Is(content) || len(content) < headerSize {
		return nil, ErrDamaged
	}
	f := &File{content: content, pageSize: int(binary.BigEndian.Uint16(content[16:])), tables: map[string]table{}}
	if f.pageSize == 1 {
		f.pageSize = 1 << 16
	}
	f.usable = f.pageSize - int(content[20])
	if f.pageSize < 512 || f.pageSize&(f.pageSize-1) != 0 || f.usable < 480 {
		return nil, ErrDamaged
	}
	if encoding := binary.BigEndian.Uint32(content[56:]); encoding > 1 {
		return nil, errors.New("the database's texts are UTF-16; UTF-8 is read only")
	}
	return f, f.readSchema()
}

// HasLog tells whether the database keeps a write-ahead log: what is only in its file of its own,
// `-wal`, is not seen.
func (f *File) HasLog() bool { return f.content[18] == 2 }

// Has tells whether there are all of these tables.
func (f *File) Has(names ...string) bool {
	for _, name := range names {
		if _, there := f.tables[name]; !there {
			return false
		}
	}
	return true
}

func (f *File) readSchema() error {
	schema := table{root: 1, columns: []string{"type", "name", "tbl_name", "rootpage", "sql"}, rowID: -1}
	for row, err := range f.rows(schema) {
		if err != nil {
			return err
		}
		name, _ := row["name"].(string)
		root, _ := row["rootpage"].(int64)
		sql, _ := row["sql"].(string)
		if row["type"] == "table" && root > 0 && root <= int64(f.pages()) {
			columns, rowID := columnsOf(sql)
			f.tables[name] = table{int(root), columns, rowID}
		}
	}
	return nil
}

// Rows are those of a table, in the order in which they were made. It ends with the first error.
func (f *File) Rows(name string) iter.Seq2[Row, error] {
	found, there := f.tables[name]
	if !there {
		return func(yield func(Row, error) bool) { yield(nil, fmt.Errorf("the database has no table %s", name)) }
	}
	return f.rows(found)
}

func (f *File) rows(of table) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		w := walk{file: f, table: of, yield: yield, left: f.pages()}
		if err := w.page(of.root, 0); err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

func (f *File) pages() int { return len(f.content) / f.pageSize }

// page is a page's bytes; pages are counted from 1.
func (f *File) page(number int) ([]byte, error) {
	if number < 1 || number > f.pages() {
		return nil, ErrDamaged
	}
	return f.content[(number-1)*f.pageSize : number*f.pageSize], nil
}

// columnsOf are the names of the columns in a CREATE TABLE statement, and which of them stands for
// the row's number.
func columnsOf(sql string) (names []string, rowID int) {
	rowID = -1
	key, types := "", map[string]string{}
	for _, definition := range definitions(sql) {
		name, rest := firstWord(definition)
		upper := strings.ToUpper(rest)
		switch strings.ToUpper(name) {
		case "PRIMARY":
			key = strings.Join(definitions(rest), ",")
			key, _ = firstWord(key)
			continue
		case "CONSTRAINT", "UNIQUE", "CHECK", "FOREIGN":
			if _, after, has := strings.Cut(upper, "PRIMARY KEY"); has {
				key, _ = firstWord(strings.Join(definitions(rest[len(rest)-len(after):]), ","))
			}
			continue
		}
		if strings.Contains(upper, "PRIMARY KEY") {
			key = name
		}
		types[name], _ = firstWord(upper)
		names = append(names, name)
	}
	for i, name := range names {
		if name == key && types[name] == "INTEGER" {
			rowID = i
		}
	}
	return names, rowID
}

// definitions are what commas part in the first parentheses of a text, but not within others.
func definitions(text string) []string {
	var parts []string
	depth, from := 0, 0
	var quote byte
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"', c == '\'', c == '`':
			quote = c
		case c == '[':
			quote = ']'
		case c == '(':
			if depth++; depth == 1 {
				from = i + 1
			}
		case c == ')' && depth == 1:
			return append(parts, strings.TrimSpace(text[from:i]))
		case c == ')':
			depth--
		case c == ',' && depth == 1:
			parts = append(parts, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	return parts
}

// closers are the ends of quoted names.
var closers = map[byte]string{'"': `"`, '\'': "'", '`': "`", '[': "]"}

// firstWord parts a name, which may be quoted, from what follows it.
func firstWord(text string) (word, rest string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", ""
	}
	if closer, quoted := closers[text[0]]; quoted {
		word, rest, _ = strings.Cut(text[1:], closer)
		return word, rest
	}
	if at := strings.IndexAny(text, " \t\r\n("); at >= 0 {
		return text[:at], text[at:]
	}
	return text, ""
}
