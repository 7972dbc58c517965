package backup

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// told are the fields of records of which the values are shown: they have no secrets and are short.
var told = map[protoreflect.Name]bool{
	"driver": true, "base_url": true, "alias": true, "enabled": true, "cap": true, "weight": true,
	"name": true, "disabled": true, "match": true,
}

// fieldNames are those that are not shown by their own names.
var fieldNames = map[protoreflect.Name]string{
	"device_id": "checksum", "mac_hash": "checksum", "secret_hash": "secret",
	"old_secret_hash": "former secret", "old_secret_until": "former secret", "masked_secret": "secret",
}

// difference says what is different in what is wanted, without secrets; empty where nothing is.
func difference(present, wanted *tokenstorev1.BackupRecord) string {
	if proto.Equal(present, wanted) {
		return ""
	}
	if is, was := wanted.GetSetting(), present.GetSetting(); is != nil {
		return shownSetting(was) + " → " + shownSetting(is)
	}
	parts := fieldDifferences(inner(present), inner(wanted))
	if len(parts) == 0 { // such as another order of fields that are not known
		return "changed"
	}
	return strings.Join(parts, ", ")
}

// inner is the message of which a record is.
func inner(record *tokenstorev1.BackupRecord) protoreflect.Message {
	message := record.ProtoReflect()
	field := message.WhichOneof(message.Descriptor().Oneofs().ByName("record"))
	return message.Get(field).Message()
}

func fieldDifferences(present, wanted protoreflect.Message) []string {
	var parts []string
	fields := wanted.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		was, is := present.Get(field), wanted.Get(field)
		if was.Equal(is) && present.Has(field) == wanted.Has(field) {
			continue
		}
		part := string(field.Name())
		if name := fieldNames[field.Name()]; name != "" {
			part = name
		}
		switch {
		case field.Name() == "key", field.Name() == "destination":
			parts = append(parts, fieldDifferences(was.Message(), is.Message())...)
			continue
		case told[field.Name()]:
			part += ": " + value(was) + " → " + value(is)
		}
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return parts
}

// value is a field's value as it is shown.
func value(of protoreflect.Value) string {
	if text := of.String(); text != "" {
		return shown(text)
	}
	return "–"
}

// encoded is a record in its one form, for a digest. A text that is not UTF-8 is refused before.
func encoded(record *tokenstorev1.BackupRecord) string {
	text, _ := proto.MarshalOptions{Deterministic: true}.Marshal(record)
	return string(text)
}
