package ctl

import "encoding/json"

// Nullable is a string whose empty value is null in JSON.
type Nullable string

// MarshalJSON writes null for "".
func (n Nullable) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(n))
}
