package sqlitefile

import (
	"encoding/binary"
	"errors"
	"math"
)

// errStopped ends a walk that nobody wants more of.
var errStopped = errors.New("stopped")

// walk goes over a table's tree.
type walk struct {
	file  *File
	table table
	yield func(Row, error) bool
	// left is how many pages may still be read: a tree has none twice.
	left int
}

// next is a page that the walk comes to.
func (w *walk) next(number int) ([]byte, error) {
	if w.left--; w.left < 0 {
		return nil, ErrDamaged
	}
	return w.file.page(number)
}

// page goes over a page of the tree and those below it.
func (w *walk) page(number, depth int) error {
	page, err := w.next(number)
	if err != nil || depth > maxDepth {
		return errors.Join(err, tooDeep(depth))
	}
	head := page
	if number == 1 { // it begins with the file's header
		head = page[headerSize:]
	}
	switch head[0] {
	case leafPage:
		return w.leaf(page, head)
	case interiorPage:
		return w.interior(page, head, depth)
	default: // a table without row numbers has another kind of tree
		return ErrDamaged
	}
}

func tooDeep(depth int) error {
	if depth > maxDepth {
		return ErrDamaged
	}
	return nil
}

// cells calls do with what begins at each cell of a page; size is that of the page's head.
func cells(page, head []byte, size int, do func(cell []byte) error) error {
	count := int(binary.BigEndian.Uint16(head[3:]))
	if size+2*count > len(head) {
		return ErrDamaged
	}
	for i := range count {
		at := int(binary.BigEndian.Uint16(head[size+2*i:]))
		if at >= len(page) {
			return ErrDamaged
		}
		if err := do(page[at:]); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) interior(page, head []byte, depth int) error {
	err := cells(page, head, 12, func(cell []byte) error {
		if len(cell) < 4 {
			return ErrDamaged
		}
		return w.page(int(binary.BigEndian.Uint32(cell)), depth+1)
	})
	if err != nil {
		return err
	}
	return w.page(int(binary.BigEndian.Uint32(head[8:])), depth+1)
}

func (w *walk) leaf(page, head []byte) error {
	return cells(page, head, 8, func(cell []byte) error {
		size, n := varint(cell)
		id, m := varint(cell[n:])
		if n == 0 || m == 0 || size > maxRow {
			return ErrDamaged
		}
		payload, err := w.payload(cell[n+m:], int(size))
		if err != nil {
			return err
		}
		row, err := w.row(payload, int64(id)) //nolint:gosec // SQLite's row numbers have a sign
		if err != nil {
			return err
		}
		if !w.yield(row, nil) {
			return errStopped
		}
		return nil
	})
}

// payload is a row's record: its beginning lies in the cell, and the rest, where it is large, on
// pages of its own.
func (w *walk) payload(cell []byte, size int) ([]byte, error) {
	usable := w.file.usable
	local := size
	if size > usable-35 {
		least := (usable-12)*32/255 - 23
		if local = least + (size-least)%(usable-4); local > usable-35 {
			local = least
		}
	}
	if local > len(cell) {
		return nil, ErrDamaged
	}
	if local == size {
		return cell[:size], nil
	}
	if len(cell) < local+4 {
		return nil, ErrDamaged
	}
	record := append(make([]byte, 0, min(size, len(w.file.content))), cell[:local]...)
	for number := binary.BigEndian.Uint32(cell[local:]); len(record) < size; {
		page, err := w.next(int(number))
		if err != nil {
			return nil, err
		}
		record = append(record, page[4:min(usable, 4+size-len(record))]...)
		number = binary.BigEndian.Uint32(page)
	}
	return record, nil
}

// row reads a record: the kinds of its values, then the values.
func (w *walk) row(record []byte, id int64) (Row, error) {
	size, n := varint(record)
	if n == 0 || size < uint64(n) || size > uint64(len(record)) { //nolint:gosec // lengths
		return nil, ErrDamaged
	}
	kinds, values := record[n:size], record[size:]
	row := make(Row, len(w.table.columns))
	for i := 0; len(kinds) > 0; i++ {
		kind, n := varint(kinds)
		length := lengthOf(kind)
		if n == 0 || length > uint64(len(values)) {
			return nil, ErrDamaged
		}
		if i < len(w.table.columns) {
			row[w.table.columns[i]] = valueOf(kind, values[:length])
		}
		kinds, values = kinds[n:], values[length:]
	}
	if at := w.table.rowID; at >= 0 {
		row[w.table.columns[at]] = id
	}
	return row, nil
}

// lengthOf is how many bytes a value of a kind has.
func lengthOf(kind uint64) uint64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind == 5:
		return 6
	case kind == 6, kind == 7:
		return 8
	case kind <= 4:
		return kind
	default: // the numbers 0 and 1, and what is reserved
		return 0
	}
}

func valueOf(kind uint64, value []byte) any {
	switch {
	case kind >= 12 && kind%2 == 0:
		return value
	case kind >= 12:
		return string(value)
	case kind == 7:
		return math.Float64frombits(binary.BigEndian.Uint64(value))
	case kind == 8, kind == 9:
		return int64(kind) - 8
	case kind >= 1 && kind <= 6:
		return integer(value)
	default:
		return nil
	}
}

// integer reads a number with a sign.
func integer(value []byte) int64 {
	n := int64(int8(value[0])) //nolint:gosec // its sign is meant
	for _, b := range value[1:] {
		n = n<<8 | int64(b)
	}
	return n
}

// varint reads a number of one to nine bytes; n is how many, 0 where they end early.
func varint(from []byte) (value uint64, n int) {
	for i := range min(len(from), 8) {
		value = value<<7 | uint64(from[i]&0x7f)
		if from[i] < 0x80 {
			return value, i + 1
		}
	}
	if len(from) < 9 {
		return 0, 0
	}
	return value<<8 | uint64(from[8]), 9
}
