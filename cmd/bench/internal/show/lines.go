package show

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// JSONLines prints one JSON object a line.
func JSONLines[T any](w io.Writer, records []T) error {
	e := json.NewEncoder(w)
	for _, r := range records {
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// CSV prints structs as a line of names, those that JSON has, and a line of values each. Lists are joined by spaces; what has no value
// is empty.
func CSV[T any](w io.Writer, records []T) error {
	c := csv.NewWriter(w)
	names := []string{}
	columns(reflect.TypeFor[T](), func(name string, _ []int) { names = append(names, name) }, nil)
	c.Write(names)
	for _, r := range records {
		line := []string{}
		columns(reflect.TypeFor[T](), func(_ string, at []int) {
			line = append(line, cell(reflect.Indirect(reflect.ValueOf(r)).FieldByIndex(at)))
		}, nil)
		c.Write(line)
	}
	c.Flush()
	return c.Error()
}

// columns calls f with the name and place of every field that JSON would have, embedded structs opened up.
func columns(t reflect.Type, f func(name string, at []int), base []int) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		field := t.Field(i)
		at := append(base[:len(base):len(base)], i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			columns(field.Type, f, at)
		case field.IsExported() && name != "-":
			f(name, at)
		}
	}
}

// cell is a value as text.
func cell(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		return cell(v.Elem())
	case reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, cell(v.Index(i)))
		}
		return strings.Join(all, " ")
	}
	return fmt.Sprint(v.Interface())
}
