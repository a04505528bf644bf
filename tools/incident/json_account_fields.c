/* SPDX-License-Identifier: MIT */
#include "tools/incident/incident.h"
#include "tools/incident/json_rows.h"

#define THIS rw_left_thread_info
static const struct rw_field left_thread_fields[] = {
    KEEP("tid", INT, tid),
    KEEP("name", STRING, name),
    END,
};
RECORD(left_thread_record, left_thread_fields);
#undef THIS

#define THIS rw_left_interpreter
static const struct rw_field left_interpreter_fields[] = {KEEP("id", INT64_M1, id), END};
RECORD(left_interpreter_record, left_interpreter_fields);
#undef THIS

#define THIS rw_left_child
static const struct rw_field left_child_fields[] = {
    KEEP("pid", INT, pid),
    KEEP("name", STRING, name),
    END,
};
RECORD(left_child_record, left_child_fields);
#undef THIS

#define THIS rw_left_open
static const struct rw_field left_open_fields[] = {
    KEEP("fd", INT, fd),
    KEEP("target", STRING, target),
    KEEP("access", STRING, access),
    END,
};
RECORD(left_open_record, left_open_fields);
#undef THIS

#define THIS rw_test_account
static const struct rw_field test_account_fields[] = {
    KEEP("test", STRING, test),
    KEEP("pid", INT, pid),
    ROW("worker", STRING, worker),
    ROW("number", NUMBER, number),
    ROW("begin", TIME, begin_ns),
    ROW("end", TIME, end_ns),
    ROW("threads_begin", INT_M1, threads_begin),
    ROW("threads_end", INT_M1, threads_end),
    ROW("interpreters_begin", INT_M1, interpreters_begin),
    ROW("interpreters_end", INT_M1, interpreters_end),
    ROW("descriptors_begin", INT_M1, descriptors_begin),
    ROW("descriptors_end", INT_M1, descriptors_end),
    MANY("left_threads", threads, thread_count, left_thread_record),
    MANY("left_interpreters", interpreters, interpreter_count, left_interpreter_record),
    MANY("left_children", children, child_count, left_child_record),
    MANY("left_descriptors", descriptors, descriptor_count, left_open_record),
    ROW("not_told", UINT32, not_told),
    END,
};
const struct rw_record rw_test_account_record = {sizeof(struct THIS), test_account_fields};
#undef THIS
