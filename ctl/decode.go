package ctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
)

// validator is a request that can check itself.
type validator interface{ Validate() error }

// decode reads a request and checks it.
func decode[T validator](r *http.Request) (T, error) {
	v, err := Decode[T](r)
	if err != nil {
		return v, err
	}
	return v, v.Validate()
}

// Decode reads the one JSON object that a request consists of, for this API and
// others in its manner. Its size is for the caller to bound, with
// [http.MaxBytesReader]. The error is an [*Error].
func Decode[T any](r *http.Request) (T, error) {
	var v *T
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return *new(T), decodeError(err)
	}
	if v == nil {
		return *new(T), Invalid("request body: want a JSON object, not null")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return *new(T), Invalid("request body: there is something behind the JSON object")
	}
	return *v, nil
}

func decodeError(err error) error {
	var (
		tooLong *http.MaxBytesError
		typ     *json.UnmarshalTypeError
		syntax  *json.SyntaxError
	)
	switch {
	case errors.As(err, &tooLong):
		return &Error{
			Status:  http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("request body: longer than %d bytes", tooLong.Limit),
		}
	case errors.Is(err, io.EOF):
		return Invalid("request body: is empty (want a JSON object)")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Invalid("request body: the JSON ends too early")
	case errors.As(err, &syntax):
		return Invalid("request body: not JSON at byte %d: %v", syntax.Offset, err)
	case errors.As(err, &typ):
		field := typ.Field
		if field == "" {
			field = "request body"
		}
		return Invalid("%s: %s where %s is wanted", field, typ.Value, kindWord(typ.Type))
	}
	return Invalid("request body: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// kindWord names a Go type in the words of JSON.
func kindWord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Uint16:
		return "a whole number from 0 to 65535"
	case reflect.Uint32:
		return "a whole number from 0 to 4294967295"
	default:
		return "a whole number"
	}
}
