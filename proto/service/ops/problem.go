package ops

// Problem is something that keeps a process from serving as it should.
type Problem struct {
	// Name is the same for as long as the problem lasts.
	Name string
	// Text says what is wrong and what would be right, for whoever operates the process.
	Text string
}
