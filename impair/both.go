package impair

import (
	"encoding/json"
	"errors"
)

// Both is the conditions of both directions of a port's link: To what is
// attached to the port, and From it.
//
// Its JSON is {"to": {...}, "from": {...}}, or the fields of one Spec, which
// then holds for both.
type Both struct {
	To   Spec `json:"to,omitzero"`
	From Spec `json:"from,omitzero"`
}

// IsZero reports whether the link is perfect.
func (b Both) IsZero() bool { return b == Both{} }

// Validate checks both. The Key of an error has the direction in front.
func (b Both) Validate() error {
	if err := within("to", b.To.Validate()); err != nil {
		return err
	}
	return within("from", b.From.Validate())
}

func within(direction string, err error) error {
	var e *KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return &KeyError{Key: direction + "." + e.Key, Problem: e.Problem}
	}
	return &KeyError{Key: direction, Problem: err.Error()}
}

// String shows the directions, or what both have in common.
func (b Both) String() string {
	to, from := b.To.String(), b.From.String()
	switch {
	case to == from:
		return to
	case from == "":
		return "to: " + to
	case to == "":
		return "from: " + from
	}
	return "to: " + to + "; from: " + from
}

// UnmarshalJSON reads either form.
func (b *Both) UnmarshalJSON(data []byte) error {
	*b = Both{}
	directed, plain := false, false
	err := eachField(data, func(name string, value json.RawMessage) error {
		switch name {
		case "to":
			directed = true
			return within(name, b.To.UnmarshalJSON(value))
		case "from":
			directed = true
			return within(name, b.From.UnmarshalJSON(value))
		}
		plain = true
		return nil
	})
	switch {
	case err != nil:
		return err
	case directed && plain:
		return errors.New("conditions beside \"to\" and \"from\" (want those two, or conditions for both directions)")
	case directed:
		return nil
	}
	if err := b.To.UnmarshalJSON(data); err != nil {
		return err
	}
	b.From = b.To
	return nil
}
