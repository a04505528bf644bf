/* SPDX-License-Identifier: MIT */
#include "tools/incident/json_fields.h"

#include "tools/incident/incident.h"
#include "tools/incident/json_rows.h"

#define THIS rw_frame
static const struct rw_field frame_fields[] = {
    ROW("function", STRING, function),
    ROW("offset", NUMBER, offset),
    ROW("file", STRING, file),
    ROW("line", INT, line),
    ROW("module", STRING, module),
    ROW("module_offset", ADDRESS, module_offset),
    ROW("build_id", STRING, build_id),
    ROW("pc", ADDRESS, pc),
    ROW("cfa", ADDRESS, cfa),
    ROW("is_inlined", BOOL, is_inlined),
    ROW("is_shim", BOOL, is_shim),
    ROW("is_python_eval", BOOL, is_python_eval),
    END,
};
RECORD(frame_record, frame_fields);
#undef THIS

#define THIS rw_python_frame
static const struct rw_field python_frame_fields[] = {
    ROW("function", STRING, function),
    ROW("file", STRING, file),
    ROW("line", INT, line),
    ROW("kind", STRING, kind),
    ROW("address", ADDRESS, address),
    ROW("native_index", INT_M1, native_index),
    ROW("interpreter", INT64_M1, interpreter),
    ROW("is_entry", BOOL, is_entry),
    ROW("is_torn", BOOL, is_torn),
    END,
};
RECORD(python_frame_record, python_frame_fields);
#undef THIS

#define THIS rw_holder
static const struct rw_field holder_fields[] = {
    ROW("pid", INT, pid),
    ROW("fd", INT_M1, fd),
    ROW("name", STRING, name),
    END,
};
RECORD(holder_record, holder_fields);
#undef THIS

#define THIS rw_channel
static const struct rw_field channel_fields[] = {
    ROW("kind", STRING, kind),
    ROW("fd", INT_M1, fd),
    ROW("name", STRING, name),
    ROW("wants", STRING, wants),
    ROW("state", STRING, state),
    ROW("inode", NUMBER, inode),
    MANY_UNLESS("holders", holders, holder_count, holder_record, holders_as),
    ROW("holders_as", INT, holders_as),
    ROW("is_complete", TRISTATE, is_complete),
    ROW("is_only_news", BOOL, is_only_news),
    ROW("note", STRING, note),
    END,
};
RECORD(channel_record, channel_fields);
#undef THIS

#define THIS rw_wait_on
static const struct rw_field wait_on_fields[] = {
    KEEP("kind", STRING, kind),
    KEEP("object", ADDRESS, object),
    ROW("name", STRING, name),
    ROW("call", STRING, call),
    KEEP("since", TIME, since_ns),
    ROW("has_deadline", BOOL, has_deadline),
    ROW("deadline_in_s", REAL, deadline_in_s),
    KEEP("owner", INT_M1, owner.tid),
    KEEP("owner_certainty", CERTAINTY, owner.certainty),
    ROW("owner_pid", INT_M1, owner.pid),
    ROW("owner_how", STRING, owner.how),
    ROW("owner_taken_at", STRING, owner.taken_at),
    ROW("owner_pthread", ADDRESS, owner.pthread),
    ROW("peer_pid", INT_M1, peer_pid),
    ROW("fd", INT_M1, fd),
    ROW("evidence", STRING, evidence),
    MANY("channels", channels, channel_count, channel_record),
    END,
};
RECORD(wait_on_record, wait_on_fields);
#undef THIS

#define THIS rw_transition
static const struct rw_field transition_fields[] = {
    ROW("event", STRING, event),   ROW("time", TIME, time_ns),  ROW("end", TIME, end_ns),
    ROW("count", UINT32, count),   ROW("tid", INT, tid),        ROW("name", STRING, name),
    ROW("detail", STRING, detail), ROW("where", STRING, where), END,
};
RECORD(transition_record, transition_fields);
#undef THIS

#define THIS rw_thread_state_ref
static const struct rw_field thread_state_fields[] = {
    ROW("address", ADDRESS, address),
    ROW("interpreter", INT64_M1, interpreter),
    ROW("id", NUMBER, id),
    ROW("is_attached", BOOL, is_attached),
    END,
};
RECORD(thread_state_record, thread_state_fields);
#undef THIS

#define THIS rw_thread
static const struct rw_field thread_fields[] = {
    KEEP("tid", INT, tid),
    ROW("own_tid", INT, own_tid),
    KEEP("name", STRING, name),
    ROW("comm", STRING, comm),
    ROW("is_main", BOOL, is_main),
    ROW("is_alive", BOOL, is_alive),
    KEEP("state", STRING, state),
    KEEP("since", TIME, since_ns),
    ROW("os_state", CHARACTER, os_state),
    ROW("pthread", ADDRESS, pthread),
    ROW("creator_tid", INT, creator_tid),
    ROW("creator_name", STRING, creator_name),
    ROW("created", TIME, created_ns),
    ROW("created_in_test", STRING, created_in_test),
    ROW("created_at", STRING, created_at),
    ROW("creator_interpreter", INT64_M1, creator_interpreter),
    ROW("start_routine", STRING, start_routine),
    ROW("is_detached", TRISTATE, is_detached),
    ROW("is_daemon", TRISTATE, is_daemon),
    MANY("thread_states", thread_states, thread_state_count, thread_state_record),
    ROW("interpreter_call", STRING, interpreter_call),
    ROW("interpreter_call_id", INT64_M1, interpreter_call_id),
    ROW("interpreter_call_since", TIME, interpreter_call_since_ns),
    POINTER("waits_on", waits_on, wait_on_record),
    MANY_UNLESS("native", native, native_count, frame_record, native_as),
    ROW("native_as", INT, native_as),
    MANY_UNLESS("python", python, python_count, python_frame_record, python_as),
    ROW("python_as", INT, python_as),
    ROW("stack_source", STRING, stack_source),
    ROW("stack_note", STRING, stack_note),
    ROW("stopped_us", REAL, stopped_us),
    MANY("history", history, history_count, transition_record),
    ROW("cpu_s", REAL_M1, cpu_s),
    ROW("cpu_delta_s", REAL_M1, cpu_delta_s),
    ROW("queued_s", REAL_M1, queued_s),
    ROW("queued_delta_s", REAL_M1, queued_delta_s),
    ROW("switches_before", INT64_M1, switches_before),
    ROW("switches", INT64_M1, switches),
    ROW("switches_delta", INT64_M1, switches_delta),
    ROW("blocks_before", INT64_M1, blocks_before),
    ROW("blocks", INT64_M1, blocks),
    ROW("blocks_delta", INT64_M1, blocks_delta),
    ROW("transitions", INT64_M1, transitions),
    ROW("transitions_delta", INT64_M1, transitions_delta),
    ROW("moved", TRISTATE, moved),
    ROW("same_calls", TRISTATE, same_calls),
    END,
};
RECORD(thread_record, thread_fields);
#undef THIS

#define THIS rw_gil
static const struct rw_field gil_fields[] = {
    ROW("address", ADDRESS, address),
    ROW("is_enabled", TRISTATE, is_enabled),
    ROW("is_locked", TRISTATE, is_locked),
    KEEP("holder", INT_M1, holder_tid),
    KEEP("certainty", CERTAINTY, certainty),
    ROW("holder_thread_state", ADDRESS, holder_thread_state),
    ROW("switches", NUMBER, switches),
    ROW("kept_since", TIME, kept_since_ns),
    END,
};
RECORD(gil_record, gil_fields);
#undef THIS

#define THIS rw_interpreter_info
static const struct rw_field interpreter_fields[] = {
    KEEP("id", INT64_M1, id),
    ROW("address", ADDRESS, address),
    ROW("is_main", BOOL, is_main),
    KEEP("state", STRING, state),
    ROW("created", TIME, created_ns),
    ROW("creator_tid", INT, creator_tid),
    ROW("created_in_test", STRING, created_in_test),
    ROW("destroyer_tid", INT, destroyer_tid),
    ROW("destroy_begin", TIME, destroy_begin_ns),
    ROW("is_finalizing", BOOL, is_finalizing),
    ROW("shares_gil", BOOL, shares_gil),
    INSIDE("gil", gil, gil_record),
    MANY("thread_states", thread_states, thread_state_count, thread_state_record),
    LIST("thread_state_tids", INTS, thread_state_tids, thread_state_count),
    END,
};
RECORD(interpreter_record, interpreter_fields);
#undef THIS

#define THIS rw_task
static const struct rw_field task_fields[] = {
    ROW("library", STRING, library),
    KEEP("name", STRING, name),
    KEEP("state", STRING, state),
    ROW("tid", INT, tid),
    ROW("interpreter", INT64_M1, interpreter),
    ROW("address", ADDRESS, address),
    ROW("waits_on", STRING, waits_on),
    ROW("waits_for", ADDRESS, waits_for),
    ROW("object", ADDRESS, object),
    ROW("held_by", ADDRESS, held_by),
    ROW("taken_at", STRING, taken_at),
    ROW("cancelled", STRING, cancelled),
    MANY("frames", frames, frame_count, python_frame_record),
    END,
};
RECORD(task_record, task_fields);
#undef THIS

#define THIS rw_pending_signal
static const struct rw_field pending_signal_fields[] = {
    KEEP("signal", INT, signal),
    KEEP("name", STRING, name),
    KEEP("tid", INT, tid),
    END,
};
RECORD(pending_signal_record, pending_signal_fields);
#undef THIS

#define THIS rw_failed_child
static const struct rw_field failed_child_fields[] = {
    KEEP("pid", INT, pid),      KEEP("name", STRING, name),    ROW("ended", TIME, ended_ns),
    ROW("signal", INT, signal), ROW("status", INT_M1, status), END,
};
RECORD(failed_child_record, failed_child_fields);
#undef THIS

#define THIS rw_crash
static const struct rw_field crash_fields[] = {
    KEEP("signal", INT, signal),
    KEEP("name", STRING, name),
    KEEP("tid", INT, tid),
    ROW("code", INT, code),
    ROW("sender", INT, sender),
    ROW("address", ADDRESS, address),
    ROW("has_address", BOOL, has_address),
    ROW("time", TIME, time_ns),
    END,
};
RECORD(crash_record, crash_fields);
#undef THIS

#define THIS rw_misuse_info
static const struct rw_field misuse_fields[] = {
    KEEP("kind", STRING, kind),
    KEEP("outcome", STRING, outcome),
    ROW("count", UINT32, count),
    ROW("time", TIME, time_ns),
    KEEP("tid", INT, tid),
    KEEP("name", STRING, name),
    ROW("address", ADDRESS, address),
    KEEP("where", STRING, where),
    ROW("object", ADDRESS, object),
    ROW("variable", STRING, variable),
    ROW("interpreter", INT64_M1, interpreter),
    ROW("other_tid", INT, other_tid),
    ROW("other_name", STRING, other_name),
    ROW("other_address", ADDRESS, other_address),
    ROW("other_where", STRING, other_where),
    ROW("other_time", TIME, other_ns),
    ROW("ending", STRING, ending),
    END,
};
RECORD(misuse_record, misuse_fields);
#undef THIS

#define THIS rw_gate
static const struct rw_field gate_fields[] = {KEEP("lock", ADDRESS, lock), END};
RECORD(gate_record, gate_fields);
#undef THIS

#define THIS rw_lock_place
static const struct rw_field lock_place_fields[] = {
    ROW("where", STRING, where),
    MANY("native", native, native_count, frame_record),
    MANY("python", python, python_count, python_frame_record),
    END,
};
RECORD(lock_place_record, lock_place_fields);
#undef THIS

#define THIS rw_meeting
static const struct rw_field meeting_fields[] = {
    KEEP("number", UINT32, number),
    END,
};
RECORD(meeting_record, meeting_fields);
#undef THIS

#define THIS rw_lock_edge_info
static const struct rw_field lock_edge_fields[] = {
    KEEP("number", UINT32, number),
    KEEP("tid", INT, tid),
    KEEP("name", STRING, name),
    ROW("time", TIME, time_ns),
    ROW("from", ADDRESS, from),
    ROW("to", ADDRESS, to),
    ROW("from_generation", UINT32, from_generation),
    ROW("to_generation", UINT32, to_generation),
    ROW("is_from_shared", BOOL, is_from_shared),
    ROW("is_to_shared", BOOL, is_to_shared),
    ROW("from_name", STRING, from_name),
    ROW("to_name", STRING, to_name),
    ROW("from_kind", STRING, from_kind),
    ROW("to_kind", STRING, to_kind),
    INSIDE("from_place", from_place, lock_place_record),
    INSIDE("to_place", to_place, lock_place_record),
    MANY("gates", gates, gate_count, gate_record),
    MANY("meetings", meetings, meeting_count, meeting_record),
    END,
};
RECORD(lock_edge_record, lock_edge_fields);
#undef THIS

#define THIS rw_process_info
static const struct rw_field process_fields[] = {
    KEEP("pid", INT, pid),
    ROW("ppid", INT_M1, ppid),
    ROW("started_by", INT, started_by),
    KEEP("name", STRING, name),
    ROW("executable", STRING, executable),
    ROW("command", STRING, command),
    ROW("is_alive", BOOL, is_alive),
    KEEP("python", STRING, python),
    ROW("python_note", STRING, python_note),
    ROW("started", TIME, started_ns),
    ROW("main_returned", TIME, main_returned_ns),
    ROW("exit_begin", TIME, exit_begin_ns),
    ROW("finalize_begin", TIME, finalize_begin_ns),
    ROW("finalize_end", TIME, finalize_end_ns),
    ROW("test", STRING, test),
    ROW("test_phase", STRING, test_phase),
    ROW("test_begin", TIME, test_begin_ns),
    ROW("tests_begun", NUMBER, tests_begun),
    ROW("worker", STRING, worker),
    ROW("last_test", STRING, last_test),
    ROW("last_test_end", TIME, last_test_end_ns),
    ROW("started_in_test", STRING, started_in_test),
    MANY("tests", tests, test_count, rw_test_account_record),
    MANY("interpreters", interpreters, interpreter_count, interpreter_record),
    MANY("threads", threads, thread_count, thread_record),
    MANY("tasks", tasks, task_count, task_record),
    MANY("pending_signals", pending_signals, pending_signal_count, pending_signal_record),
    MANY("failed_children", failed_children, failed_child_count, failed_child_record),
    MANY("history", history, history_count, transition_record),
    POINTER("crash", crash, crash_record),
    MANY("misuses", misuses, misuse_count, misuse_record),
    MANY("lock_edges", lock_edges, lock_edge_count, lock_edge_record),
    ROW("has_handlers", TRISTATE, has_handlers),
    LIST("notes", STRINGS, notes, note_count),
    END,
};
RECORD(process_record, process_fields);
#undef THIS

#define THIS rw_culprit
static const struct rw_field culprit_fields[] = {
    KEEP("pid", INT, pid),      KEEP("tid", INT, tid),    KEEP("name", STRING, name),
    KEEP("role", STRING, role), KEEP("why", STRING, why), END,
};
RECORD(culprit_record, culprit_fields);
#undef THIS

#define THIS rw_verdict
static const struct rw_field verdict_fields[] = {
    KEEP("class", STRING, class_name),
    KEEP("sentence", STRING, sentence),
    KEEP("certainty", CERTAINTY, certainty),
    KEEP("is_ring", BOOL, is_ring),
    KEEP("look_at", STRING, look_at),
    KEEP("look_at_also", STRING, look_at_also),
    KEEP("test", STRING, test),
    MANY("culprits", culprits, culprit_count, culprit_record),
    LIST("evidence", STRINGS, evidence, evidence_count),
    END,
};
RECORD(verdict_record, verdict_fields);
#undef THIS

#define THIS rw_incident
static const struct rw_field incident_fields[] = {
    KEEP("schema", INT, schema),
    KEEP("trigger", STRING, trigger),
    ROW("trigger_detail", STRING, trigger_detail),
    KEEP("test", STRING, test),
    ROW("command", STRING, command),
    ROW("version", STRING, version),
    ROW("now_ns", NUMBER, now_ns),
    ROW("realtime_s", REAL, realtime_s),
    ROW("took_ms", REAL, took_ms),
    ROW("between_looks_s", REAL, between_looks_s),
    INSIDE("verdict", verdict, verdict_record),
    MANY("also", also, also_count, verdict_record),
    MANY("processes", processes, process_count, process_record),
    LIST("notes", STRINGS, notes, note_count),
    END,
};
const struct rw_record rw_incident_record = {sizeof(struct THIS), incident_fields};
#undef THIS
