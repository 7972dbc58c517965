// Package conf reads a service's configuration: defaults, then a file, then the
// environment. It knows no key of either service. Each key is a field of the
// service's own struct, tagged
//
//	PORT int `key:"port" doc:"Port of the public API."`
//
// and is set by the same name in the file and, in capitals, in the environment.
// A secret.Value has a twin `<key>_file` that names a file to read it from.
package conf

import (
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"carousel.internal/proto/service/secret"
)

// Source says where values come from.
type Source struct {
	// File is the path of a YAML, TOML or JSON file; empty for none.
	File string
	// Foreign are keys that the file may also hold because it is shared with
	// the other service.
	Foreign []string
	// Environ answers an environment variable; os.LookupEnv where nil.
	Environ func(string) (string, bool)
	// Given is told each key that the file or the environment sets; it may be nil.
	Given func(key string)
}

// Load fills the struct that into points to, which holds the defaults. It
// answers all problems at once, each beginning with its key.
func Load(into any, source Source) error {
	fields := fieldsOf(into)
	v := viper.New()
	var problems []error
	if source.File != "" {
		v.SetConfigFile(source.File)
		if err := v.ReadInConfig(); err != nil {
			return fmt.Errorf("config file %s: %w", source.File, err)
		}
		problems = append(problems, unknownKeys(v, fields, source)...)
	}
	environ := source.Environ
	if environ == nil {
		environ = os.LookupEnv
	}
	values := map[string]any{}
	for _, field := range fields {
		if value, err := valueOf(v, field, environ); err != nil {
			problems = append(problems, err)
		} else if value != nil {
			values[field.key] = value
			if source.Given != nil {
				source.Given(field.key)
			}
		}
	}
	for _, field := range fields {
		if value, set := values[field.key]; set {
			if err := decode(value, field); err != nil {
				problems = append(problems, err)
			}
		}
	}
	return errors.Join(problems...)
}

type field struct {
	key    string
	doc    string
	value  reflect.Value
	secret bool
}

func fieldsOf(into any) []field {
	structure := reflect.ValueOf(into).Elem()
	var fields []field
	for i := range structure.NumField() {
		kind := structure.Type().Field(i)
		if kind.Anonymous { // a part that both services have
			fields = append(fields, fieldsOf(structure.Field(i).Addr().Interface())...)
			continue
		}
		key := kind.Tag.Get("key")
		if key == "" {
			continue
		}
		fields = append(fields, field{
			key: key, doc: kind.Tag.Get("doc"), value: structure.Field(i),
			secret: kind.Type == reflect.TypeFor[secret.Value](),
		})
	}
	return fields
}

// Keys are the keys of a configuration struct, in its order, twins included.
func Keys(of any) []string {
	var keys []string
	for _, field := range fieldsOf(of) {
		keys = append(keys, field.key)
		if field.secret {
			keys = append(keys, field.key+"_file")
		}
	}
	return keys
}

func unknownKeys(v *viper.Viper, fields []field, source Source) []error {
	known := slices.Clone(source.Foreign)
	for _, field := range fields {
		known = append(known, field.key)
		if field.secret {
			known = append(known, field.key+"_file")
		}
	}
	var problems []error
	for _, key := range topLevel(v) {
		if !slices.Contains(known, key) {
			problems = append(problems, fmt.Errorf("%s: unknown key in %s", key, source.File))
		}
	}
	return problems
}

func topLevel(v *viper.Viper) []string {
	var keys []string
	for key := range v.AllSettings() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// valueOf answers what the environment, else the file, says of the field; nil
// where both are silent. An empty environment variable counts as unset.
func valueOf(v *viper.Viper, field field, environ func(string) (string, bool)) (any, error) {
	value := lookup(v, field.key, environ)
	if !field.secret {
		return value, nil
	}
	path, _ := lookup(v, field.key+"_file", environ).(string)
	if path == "" {
		return value, nil
	}
	if value != nil {
		return nil, fmt.Errorf("%s: set it or %s_file, not both", field.key, field.key)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s_file: %w", field.key, err)
	}
	return strings.TrimSpace(string(text)), nil
}

func lookup(v *viper.Viper, key string, environ func(string) (string, bool)) any {
	if text, set := environ(strings.ToUpper(key)); set && text != "" {
		return text
	}
	if v.InConfig(key) {
		return v.Get(key)
	}
	return nil
}

func decode(value any, field field) error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           field.value.Addr().Interface(),
		WeaklyTypedInput: true,
		ErrorUnused:      true,
		TagName:          "key",
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc()),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", field.key, err)
	}
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("%s: %s wanted, which %s is not", field.key, kindName(field.value), shown(value, field))
	}
	return nil
}

func kindName(value reflect.Value) string {
	switch value.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint32:
		if value.Type().String() == "time.Duration" {
			return "a duration such as 15s"
		}
		return "a whole number"
	case reflect.Slice:
		return "a list of objects with the documented keys"
	default:
		return "a " + value.Type().String()
	}
}

func shown(value any, field field) string {
	if field.secret {
		return "the value"
	}
	return fmt.Sprintf("%q", fmt.Sprint(value))
}

// CheckAddr tells why an address is not host:port; the host may be empty.
func CheckAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("host:port wanted, not %q", addr)
	}
	return nil
}

// Setting is one key for printing.
type Setting struct {
	Key   string
	Value string
	Doc   string
}

// Settings lists the struct's keys with their effective values; secrets are
// redacted by their type.
func Settings(of any) []Setting {
	var settings []Setting
	for _, field := range fieldsOf(of) {
		text := fmt.Sprint(field.value.Interface())
		if field.secret && field.value.Interface().(secret.Value).Empty() {
			text = ""
		}
		settings = append(settings, Setting{Key: field.key, Value: text, Doc: field.doc})
	}
	return settings
}
