package backup

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// MaxBytes bounds the records of a backup, in bytes: 100,000 tokens fit.
const MaxBytes = 128 << 20

// Contents are the records of a backup, as they come in. The zero value has none yet.
type Contents struct {
	header  *tokenstorev1.BackupHeader
	end     *tokenstorev1.BackupEnd
	records []*tokenstorev1.BackupRecord
	bytes   int
	// count is of all before the end, the header included.
	count uint64
}

// Add takes the next records.
func (c *Contents) Add(records []*tokenstorev1.BackupRecord) error {
	for _, each := range records {
		if c.bytes += proto.Size(each); c.bytes > MaxBytes {
			return refused("it has more than %d MiB of records, which is more than a backup can have", MaxBytes>>20)
		}
		if err := c.add(each); err != nil {
			return err
		}
	}
	return nil
}

func (c *Contents) add(record *tokenstorev1.BackupRecord) error {
	header, isHeader := record.GetRecord().(*tokenstorev1.BackupRecord_Header)
	switch {
	case c.end != nil:
		return refused("it goes on behind its end")
	case isHeader == (c.header != nil):
		return refused("it does not begin with one header")
	case isHeader && header.Header.GetVersion() > Version:
		return refused("it is of version %d, and this tokenstore reads versions up to %d: restore it with the Carousel that made it, or a newer one",
			header.Header.GetVersion(), Version)
	case isHeader && header.Header.GetVersion() == 0:
		return refused("it does not say of which version it is")
	case record.GetRecord() == nil || hasUnknown(record.ProtoReflect()):
		return refused("it has something that this tokenstore does not know: restore it with the Carousel that made it, or a newer one")
	case isHeader:
		c.header = header.Header
		c.count++
	case record.GetEnd() != nil:
		c.end = record.GetEnd()
	default:
		c.records = append(c.records, record)
		c.count++
	}
	return nil
}

// hasUnknown tells whether a message, or one in it, has a field that is not known here.
func hasUnknown(message protoreflect.Message) bool {
	found := len(message.GetUnknown()) > 0
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil || field.IsMap(): // no map here has messages
		case field.IsList():
			for i := range value.List().Len() {
				found = found || hasUnknown(value.List().Get(i).Message())
			}
		default:
			found = found || hasUnknown(value.Message())
		}
		return !found
	})
	return found
}

// entries are what the backup has, in the order of kinds. here are the drivers of the upstreams
// that are not in it.
func (c *Contents) entries(here map[string]string) (entries []*entry, drivers map[string]string, err error) {
	if c.end == nil || c.end.GetRecords() != c.count {
		return nil, nil, refused("its end is missing: it is cut off")
	}
	drivers = map[string]string{}
	for name, driver := range here {
		drivers[name] = driver
	}
	for _, each := range c.records {
		if upstream := each.GetUpstream(); upstream != nil {
			drivers[upstream.GetName()] = upstream.GetDriver()
		}
	}
	type place struct {
		kind tokenstorev1.BackupKind
		key  string
	}
	known := map[place]bool{}
	for _, each := range c.records {
		one := entryOf(withoutLapsed(each, time.Now()), drivers)
		at := place{one.kind, one.key}
		if known[at] {
			return nil, nil, refused("%s is in it twice", one.name)
		}
		known[at] = true
		entries = append(entries, one)
	}
	return entries, drivers, nil
}

// withoutLapsed is a record without the former secret of a client key that has ended since.
func withoutLapsed(record *tokenstorev1.BackupRecord, now time.Time) *tokenstorev1.BackupRecord {
	until := record.GetClientKey().GetKey().GetOldSecretUntil()
	if until == nil || now.Before(until.AsTime()) {
		return record
	}
	record = proto.CloneOf(record)
	record.GetClientKey().OldSecretHash, record.GetClientKey().GetKey().OldSecretUntil = nil, nil
	return record
}

func refused(format string, args ...any) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "the backup can't be restored: "+format, args...)
}
