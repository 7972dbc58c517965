package agent

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"carousel.internal/gateway/internal/rawjson"
)

// exactly is the size up to which every integer is a float64.
const exactly = 1 << 53

// argumentsText is the JSON text of a call's arguments. They come as numbers of one kind and
// without their order; written, which is what the model wrote as far as it was seen, is
// taken instead where it says the same.
func argumentsText(args map[string]*structpb.Value, written string) string {
	read, _ := readJSON(written)
	if object, is := read.(map[string]any); is && sameFields(object, args) {
		return strings.TrimSpace(written)
	}
	return string(appendFields(nil, args))
}

func appendFields(text []byte, fields map[string]*structpb.Value) []byte {
	text = append(text, '{')
	for i, name := range slices.Sorted(maps.Keys(fields)) {
		if i > 0 {
			text = append(text, ',')
		}
		text = rawjson.AppendString(text, name)
		text = append(text, ':')
		text = appendValue(text, fields[name])
	}
	return append(text, '}')
}

func appendValue(text []byte, value *structpb.Value) []byte {
	switch kind := value.GetKind().(type) {
	case *structpb.Value_BoolValue:
		return strconv.AppendBool(text, kind.BoolValue)
	case *structpb.Value_NumberValue:
		return appendNumber(text, kind.NumberValue)
	case *structpb.Value_StringValue:
		return rawjson.AppendString(text, kind.StringValue)
	case *structpb.Value_StructValue:
		return appendFields(text, kind.StructValue.GetFields())
	case *structpb.Value_ListValue:
		text = append(text, '[')
		for i, each := range kind.ListValue.GetValues() {
			if i > 0 {
				text = append(text, ',')
			}
			text = appendValue(text, each)
		}
		return append(text, ']')
	default:
		return append(text, "null"...)
	}
}

// appendNumber writes integers as such: many tools take no others.
func appendNumber(text []byte, number float64) []byte {
	switch {
	case math.IsNaN(number) || math.IsInf(number, 0):
		return append(text, "null"...) // JSON has no word for it
	case number == math.Trunc(number) && math.Abs(number) < exactly:
		return strconv.AppendInt(text, int64(number), 10)
	default:
		return strconv.AppendFloat(text, number, 'g', -1, 64)
	}
}

// readJSON reads a JSON value, with its numbers as they are written.
func readJSON(text string) (value any, ok bool) {
	if !json.Valid([]byte(text)) {
		return nil, false
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	return value, err == nil
}

// sameFields tells whether an object that was read says the same as one that came as values.
func sameFields(read map[string]any, fields map[string]*structpb.Value) bool {
	if len(read) != len(fields) {
		return false
	}
	for name, value := range fields {
		each, has := read[name]
		if !has || !same(each, value) {
			return false
		}
	}
	return true
}

func same(read any, value *structpb.Value) bool {
	switch kind := value.GetKind().(type) {
	case *structpb.Value_BoolValue:
		return read == kind.BoolValue
	case *structpb.Value_StringValue:
		return read == kind.StringValue
	case *structpb.Value_NumberValue:
		number, is := read.(json.Number)
		if !is {
			return false
		}
		float, err := number.Float64()
		return err == nil && float == kind.NumberValue
	case *structpb.Value_StructValue:
		fields, is := read.(map[string]any)
		return is && sameFields(fields, kind.StructValue.GetFields())
	case *structpb.Value_ListValue:
		list, is := read.([]any)
		values := kind.ListValue.GetValues()
		if !is || len(list) != len(values) {
			return false
		}
		for i := range list {
			if !same(list[i], values[i]) {
				return false
			}
		}
		return true
	default:
		return read == nil
	}
}
