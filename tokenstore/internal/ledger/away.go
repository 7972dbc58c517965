package ledger

// Away is why a key or its ledger can't be asked: its server can't be reached, while others can.
type Away struct{ Err error }

func (e *Away) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Away) Unwrap() error { return e.Err }
