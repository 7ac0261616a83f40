//go:build !linux

package tap

// SetCarrier is Linux's.
func (p *Port) SetCarrier(bool) error { return ErrUnsupported }
