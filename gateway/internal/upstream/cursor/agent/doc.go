// Package agent speaks the protocol of Cursor's agent, agent.v1.AgentService/Run: a stream
// over HTTP/2 that stays open in both directions. The upstream runs an agent that asks its
// client for all that it needs: the history by blobs, the surroundings, tools. A gateway has
// none but those that its own client has declared, so it answers what it knows and refuses the
// rest, each question in its own form.
//
// A run is one turn. Where it ends in calls it is left, and what they came to is told to the
// next run with the whole history: nothing is kept in between. Where the settings say so the run
// waits instead for what its calls come to, and goes on; nothing depends on that it does.
package agent
