package wire

import (
	"fmt"
	"time"
)

// ParseTimeout reads the value of a setting.
func ParseTimeout(timeout *time.Duration, text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 {
		return fmt.Errorf("%q is not a positive duration such as 90s or 2m", text)
	}
	*timeout = value
	return nil
}
