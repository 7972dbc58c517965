package sqlitefile_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/sqlitefile"
)

// database was made by SQLite 3.40: testdata/make.sql says how.
func database(t testing.TB) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/kinds.db")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func rowsOf(t *testing.T, content []byte, table string) []sqlitefile.Row {
	t.Helper()
	file, err := sqlitefile.Open(content)
	if err != nil {
		t.Fatal(err)
	}
	var rows []sqlitefile.Row
	for row, err := range file.Rows(table) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestValuesOfEveryKind(t *testing.T) {
	t.Parallel()
	got := rowsOf(t, database(t), "kinds")
	row := func(id, number int64) sqlitefile.Row {
		return sqlitefile.Row{"id": id, "number": number, "real": int64(0), "text": "", "bytes": ""}
	}
	want := []sqlitefile.Row{
		{"id": int64(1), "number": nil, "real": nil, "text": nil, "bytes": nil},
		{"id": int64(2), "number": int64(0), "real": 0.5, "text": "", "bytes": []byte{}},
		{"id": int64(3), "number": int64(1), "real": -1e300, "text": "häßlich, (ja)", "bytes": []byte{0, 0xff}},
		{"id": int64(4), "number": int64(-1), "real": int64(0), "text": "a", "bytes": "b"},
		row(5, math.MaxInt8), row(6, math.MinInt16), row(7, 1<<23-1), row(8, math.MinInt32), row(9, 1<<47-1), row(10, -9e18),
		{"id": int64(11), "number": int64(0), "real": int64(0), "text": strings.Repeat("x", 5000), "bytes": nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A table of many pages is read in order, without what was deleted; a column that was added later
// is not in the rows of before.
func TestATableOfManyPages(t *testing.T) {
	t.Parallel()
	var want []sqlitefile.Row
	for i := int64(1); i <= 3000; i++ {
		if i%3 != 0 {
			want = append(want, sqlitefile.Row{"id": i, "name": fmt.Sprint("row ", i)})
		}
	}
	want = append(want, sqlitefile.Row{"id": int64(3001), "name": "last", "later": "here"})
	if diff := cmp.Diff(want, rowsOf(t, database(t), "many")); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	file, err := sqlitefile.Open(database(t))
	if err != nil {
		t.Fatal(err)
	}
	if !file.Has("kinds", "many", "empty") || file.Has("kinds", "many_names") || file.HasLog() {
		t.Error("its tables are others")
	}
	if got := rowsOf(t, database(t), "empty"); len(got) > 0 {
		t.Errorf("an empty table has %v", got)
	}
	for _, table := range []string{"none", "numberless"} {
		for row, err := range file.Rows(table) {
			if err == nil {
				t.Errorf("%s has a row %v", table, row)
			}
		}
	}
}

// Whoever wants no more rows gets none.
func TestRowsEndEarly(t *testing.T) {
	t.Parallel()
	file, err := sqlitefile.Open(database(t))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for range file.Rows("many") {
		if count++; count == 700 {
			break
		}
	}
	if count != 700 {
		t.Errorf("%d rows", count)
	}
}

func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	edited := func(at int, value ...byte) []byte {
		content := bytes.Clone(database(t))
		copy(content[at:], value)
		return content
	}
	for name, content := range map[string][]byte{
		"nothing":           nil,
		"another program's": []byte("PK\x03\x04"),
		"only a header":     database(t)[:80],
		"no page size":      edited(16, 0, 3),
		"UTF-16":            edited(56, 0, 0, 0, 2),
		"no schema":         database(t)[:256],
		"another tree":      edited(100, 7),
	} {
		if _, err := sqlitefile.Open(content); err == nil {
			t.Errorf("%s is opened", name)
		}
	}
}

// Of a file that ends early all rows are read, or it is damaged: never some rows as if they were
// all.
func TestFilesThatEndEarly(t *testing.T) {
	t.Parallel()
	content := database(t)
	whole := len(rowsOf(t, content, "many"))
	for end := 512; end < len(content); end += 512 {
		file, err := sqlitefile.Open(content[:end])
		if err != nil {
			continue
		}
		count, failed := 0, error(nil)
		for _, err := range file.Rows("many") {
			count, failed = count+1, err
		}
		if failed == nil && count != whole {
			t.Errorf("of %d bytes %d rows are read", end, count)
		}
	}
}

// A page that is its own child, or an overflow that has no end, is found.
func TestCircles(t *testing.T) {
	t.Parallel()
	content := database(t)
	const size = 512
	for page := 1; page < len(content)/size; page++ {
		if content[page*size] == 5 { // an interior page: its last child is itself
			circle := bytes.Clone(content)
			binary.BigEndian.PutUint32(circle[page*size+8:], uint32(page+1))
			file, err := sqlitefile.Open(circle)
			if err != nil {
				continue
			}
			count := 0
			for range file.Rows("many") {
				if count++; count > 100_000 {
					t.Fatal("it does not end")
				}
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(database(f))
	f.Add(database(f)[:2048])
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := sqlitefile.Open(content)
		if err != nil {
			return
		}
		for _, table := range []string{"kinds", "many", "empty"} {
			rows := 0
			for _, err := range file.Rows(table) {
				if rows++; err != nil || rows > len(content) {
					break
				}
			}
			if rows > len(content) {
				t.Fatal("more rows than bytes")
			}
		}
	})
}
