package openai

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

// maxConverted bounds an answer with embeddings that is converted, in bytes. One that has
// the form that was asked for is as large as it is.
const maxConverted = 64 << 20

// formOf is the form of the first embedding in the beginning of an answer; empty: there is
// none, or it is neither.
func formOf(head []byte) upstream.VectorForm {
	form := upstream.VectorForm("")
	s := rawjson.Over(head)
	eachVector(&s, func() bool {
		switch kind := s.Kind(); {
		case kind == rawjson.String:
			form = upstream.Base64
		case kind == rawjson.Array && s.Array() && s.Kind() == rawjson.Number:
			form = upstream.Floats
		}
		return false
	})
	return form
}

// eachVector goes to each embedding of an answer, for visit to consume, as long as that
// returns true.
func eachVector(s *rawjson.Scanner, visit func() bool) {
	for ok := s.Kind() == rawjson.Object && s.Object(); ok; ok = s.Member() {
		if string(s.Key()) != "data" || s.Kind() != rawjson.Array {
			s.Skip()
			continue
		}
		for ok := s.Array(); ok; ok = s.Element() {
			if s.Kind() != rawjson.Object {
				s.Skip()
				continue
			}
			for ok := s.Object(); ok; ok = s.Member() {
				if string(s.Key()) != "embedding" {
					s.Skip()
				} else if !visit() {
					return
				}
			}
		}
	}
}

// convert brings the embeddings of an answer into a form, and tells whether that went
// well. All else stays as it is, and no value changes: what comes as a number becomes the
// float32 that is next to it, and a float32 the shortest number that it is next to.
func convert(answer []byte, form upstream.VectorForm) ([]byte, bool) {
	edit := rawjson.NewEdit(nil, answer)
	s := rawjson.Over(answer)
	good := true
	eachVector(&s, func() bool {
		kind := s.Kind() // goes to the value's first byte
		from := s.Pos()
		var text string
		switch {
		case form == upstream.Base64 && kind == rawjson.Array:
			text, good = packVector(&s)
		case form == upstream.Floats && kind == rawjson.String:
			text, good = unpackVector(s.Text())
		default:
			s.Skip()
			return true
		}
		edit.Replace(from, s.Pos(), text)
		return good
	})
	return edit.Bytes(), good && s.End() == nil
}

func packVector(s *rawjson.Scanner) (string, bool) {
	packed := make([]byte, 0, 4<<10)
	for ok := s.Array(); ok; ok = s.Element() {
		if s.Kind() != rawjson.Number {
			return "", false
		}
		value, err := strconv.ParseFloat(string(s.Skip()), 32)
		if err != nil {
			return "", false
		}
		packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(float32(value)))
	}
	return `"` + base64.StdEncoding.EncodeToString(packed) + `"`, true
}

func unpackVector(text string) (string, bool) {
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(packed)%4 != 0 {
		return "", false
	}
	numbers := append(make([]byte, 0, 4*len(packed)), '[')
	for at := 0; at < len(packed); at += 4 {
		value := float64(math.Float32frombits(binary.LittleEndian.Uint32(packed[at:])))
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return "", false // JSON has no such number
		}
		if at > 0 {
			numbers = append(numbers, ',')
		}
		numbers = strconv.AppendFloat(numbers, value, 'g', -1, 32)
	}
	return string(append(numbers, ']')), true
}
