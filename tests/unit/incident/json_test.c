/* SPDX-License-Identifier: MIT */
#include "tests/unit/incident/fixtures.h"
#include "tools/diagnosis/diagnosis.h"
#include "tools/incident/json_fields.h"
#include "tools/incident/packed.h"

static char *dump(const struct rw_incident *incident)
{
    json_t *json = rw_incident_to_json(incident);
    char *text = json_dumps(json, RW_JSON_FLAGS);

    assert_non_null(text);
    json_decref(json);
    return text;
}

static struct rw_incident *load(const char *text, char **why)
{
    json_t *json = json_loads(text, 0, NULL);
    struct rw_incident *incident;

    assert_non_null(json);
    incident = rw_incident_from_json(NULL, json, why);
    json_decref(json);
    return incident;
}

static char *written(int (*write)(const struct rw_incident *incident, FILE *file),
                     const struct rw_incident *incident, size_t *length)
{
    char *text = NULL;
    FILE *file = open_memstream(&text, length);

    assert_non_null(file);
    assert_int_equal(write(incident, file), 0);
    fclose(file);
    return text;
}

/* What is written is laid out as jansson lays it out. */
static void check_layout(const struct rw_incident *incident, const char *by_jansson)
{
    size_t length;
    char *text = written(rw_incident_write, incident, &length);

    assert_int_equal(length, strlen(by_jansson) + 1);
    assert_memory_equal(text, by_jansson, length - 1);
    assert_int_equal(text[length - 1], '\n');
    free(text);
}

static void check_packed(const struct rw_incident *incident, const char *expected)
{
    char *why = NULL, *text;
    size_t length;
    char *bytes = written(rw_incident_pack, incident, &length);
    struct rw_incident *again = rw_incident_unpack(NULL, bytes, length, &why);

    assert_non_null(again);
    text = dump(again);
    assert_string_equal(text, expected);
    free(text);
    talloc_free(again);
    free(bytes);
}

static void check_identity(const struct rw_incident *incident)
{
    char *why = NULL, *first = dump(incident), *second;
    struct rw_incident *again = load(first, &why);

    assert_non_null(again);
    second = dump(again);
    assert_string_equal(first, second);
    check_layout(incident, first);
    check_packed(incident, first);
    talloc_free(again);
    free(first);
    free(second);
}

static void reading_and_writing_is_the_identity(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURE_COUNT; i++) {
        struct rw_incident *incident = fixture(fixture_names[i]);

        check_identity(incident);
        rw_diagnose(incident);
        check_identity(incident);
        talloc_free(incident);
    }
}

static void fill_record(struct rw_incident *incident, const struct rw_record *record, void *structure,
                        unsigned *seed);

/* A value of its own for each member, so that two that are mixed up show. */
static void fill_field(struct rw_incident *incident, const struct rw_field *field, void *structure,
                       unsigned *seed)
{
    void *member = (char *)structure + field->offset;
    unsigned value = ++*seed;
    void *inner;

    switch (field->type) {
    case RW_FIELD_STRING:
        *(const char **)member =
            talloc_asprintf(incident, "text %u \xff \"\\ \t\x7f \u00e9 \U0001f980", value);
        break;
    case RW_FIELD_BOOL:
        *(bool *)member = true;
        break;
    case RW_FIELD_TRISTATE:
        *(int *)member = value % 2;
        break;
    case RW_FIELD_INT:
    case RW_FIELD_INT_M1:
        /* What stands elsewhere is left out here. */
        *(int *)member = strstr(field->name, "_as") ? 0 : (int)value;
        break;
    case RW_FIELD_INT64_M1:
        *(int64_t *)member = (int64_t)value << 33;
        break;
    case RW_FIELD_UINT32:
        *(uint32_t *)member = 0xf0000000u + value;
        break;
    case RW_FIELD_NUMBER:
    case RW_FIELD_ADDRESS:
        *(uint64_t *)member = UINT64_MAX - value;
        break;
    case RW_FIELD_TIME:
        *(uint64_t *)member = 4000000000000u + value * 1000;
        break;
    case RW_FIELD_REAL:
    case RW_FIELD_REAL_M1:
        *(double *)member = value + 0.25;
        break;
    case RW_FIELD_CHARACTER:
        *(char *)member = (char)('A' + value % 26);
        break;
    case RW_FIELD_CERTAINTY:
        *(enum rw_certainty *)member = 1 + value % 2;
        break;
    case RW_FIELD_RECORD:
        fill_record(incident, field->record, member, seed);
        break;
    case RW_FIELD_RECORD_PTR:
        *(void **)member = inner = talloc_zero_size(incident, field->record->size);
        fill_record(incident, field->record, inner, seed);
        break;
    case RW_FIELD_ARRAY:
        *(void **)member = inner = talloc_zero_size(incident, 2 * field->record->size);
        *(size_t *)((char *)structure + field->count_offset) = 2;
        fill_record(incident, field->record, inner, seed);
        fill_record(incident, field->record, (char *)inner + field->record->size, seed);
        break;
    case RW_FIELD_STRINGS:
        *(void **)member = inner = talloc_zero_array(incident, char *, 1);
        ((const char **)inner)[0] = talloc_asprintf(incident, "note %u", value % 7);
        *(size_t *)((char *)structure + field->count_offset) = 1;
        break;
    case RW_FIELD_INTS:
        *(void **)member = inner = talloc_zero_array(incident, int, 2);
        ((int *)inner)[0] = (int)value;
        ((int *)inner)[1] = -1;
        break;
    }
}

static void fill_record(struct rw_incident *incident, const struct rw_record *record, void *structure,
                        unsigned *seed)
{
    for (const struct rw_field *field = record->fields; field->name; field++)
        fill_field(incident, field, structure, seed);
}

static void every_field_survives(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL), *again;
    unsigned seed = 0;
    char *why = NULL, *text;

    (void)state;
    fill_record(incident, &rw_incident_record, incident, &seed);
    incident->schema = RW_INCIDENT_SCHEMA;
    incident->now_ns = 5000000000000u;
    check_identity(incident);
    text = dump(incident);
    again = load(text, &why);
    assert_int_equal(again->processes[1].threads[1].native[0].pc,
                     incident->processes[1].threads[1].native[0].pc);
    assert_int_equal(again->processes[0].threads[0].waits_on->owner.tid,
                     incident->processes[0].threads[0].waits_on->owner.tid);
    assert_int_equal(again->processes[0].threads[1].since_ns, incident->processes[0].threads[1].since_ns);
    assert_int_equal(again->processes[0].threads[1].os_state, incident->processes[0].threads[1].os_state);
    talloc_free(again);
    talloc_free(incident);
    free(text);
}

/* Every beginning of the bytes, and what follows their end, is refused in words. */
static void what_was_not_packed_whole_is_refused(void **state)
{
    struct rw_incident *incident = fixture("two_locks");
    size_t length;
    char *bytes = written(rw_incident_pack, incident, &length);
    char *longer = calloc(1, length + 1);

    (void)state;
    memcpy(longer, bytes, length);
    for (size_t part = 0; part <= length + 1; part++) {
        char *why = NULL, *exact = malloc(part + 1); /* so that a read beyond the end is seen by valgrind */
        memcpy(exact, longer, part);
        struct rw_incident *again = rw_incident_unpack(NULL, exact, part, &why);
        assert_int_equal(again != NULL, part == length);
        assert_int_equal(why == NULL, part == length);
        talloc_free(again);
        talloc_free(why);
        free(exact);
    }
    free(longer);
    free(bytes);
    talloc_free(incident);
}

static void a_string_that_many_share_is_one_afterwards(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL), *again;
    struct rw_process_info *process = rw_incident_add_process(incident, 1);
    size_t length;
    char *why = NULL, *bytes;

    (void)state;
    for (int tid = 1; tid <= 3; tid++)
        rw_process_thread(incident, process, tid)->comm = talloc_strdup(incident, tid < 3 ? "same" : "other");
    bytes = written(rw_incident_pack, incident, &length);
    again = rw_incident_unpack(NULL, bytes, length, &why);
    const struct rw_thread *threads = again->processes[0].threads;
    assert_string_equal(threads[0].comm, "same");
    assert_ptr_equal(threads[0].comm, threads[1].comm);
    assert_string_equal(threads[2].comm, "other");
    talloc_free(again);
    talloc_free(incident);
    free(bytes);
}

static const struct rw_record *record_of_processes(void)
{
    const struct rw_field *field = rw_incident_record.fields;

    while (strcmp(field->name, "processes") != 0)
        field++;
    return field->record;
}

/* Bytes of a structure that no row of its table covers. A member that is forgotten leaves a hole that is
 * wider than what alignment explains. */
static void check_covered(const struct rw_record *record)
{
    unsigned char *covered = talloc_zero_array(NULL, unsigned char, (unsigned)record->size);
    size_t hole = 0;

    for (const struct rw_field *field = record->fields; field->name; field++) {
        static const size_t sizes[] = {
            [RW_FIELD_BOOL] = sizeof(bool),       [RW_FIELD_TRISTATE] = sizeof(int),
            [RW_FIELD_INT] = sizeof(int),         [RW_FIELD_INT_M1] = sizeof(int),
            [RW_FIELD_UINT32] = sizeof(uint32_t), [RW_FIELD_CHARACTER] = sizeof(char),
            [RW_FIELD_CERTAINTY] = sizeof(int),   [RW_FIELD_INTS] = sizeof(void *),
        };
        size_t size = field->type == RW_FIELD_RECORD                                     ? field->record->size
                      : field->type < sizeof sizes / sizeof *sizes && sizes[field->type] ? sizes[field->type]
                                                                                         : 8;

        memset(covered + field->offset, 1, size);
        if (field->count_offset)
            memset(covered + field->count_offset, 1, sizeof(size_t));
        if (field->record && field->record != record)
            check_covered(field->record);
    }
    /* Not written: it can be made again. */
    if (record == record_of_processes())
        memset(covered + offsetof(struct rw_process_info, index), 1, sizeof(void *));
    for (size_t i = 0; i <= record->size; i++) {
        if (i < record->size && !covered[i]) {
            hole++;
            continue;
        }
        /* Up to the next multiple of eight it may be padding. */
        assert_true(hole < 8 && (hole == 0 || i % 4 == 0));
        hole = 0;
    }
    talloc_free(covered);
}

static void no_member_is_forgotten(void **state)
{
    (void)state;
    check_covered(&rw_incident_record);
}

static void the_promised_names_are_there_even_when_nothing_is_known(void **state)
{
    static const char *const thread_names[] = {"tid",      "name",   "state",  "since_s",
                                               "waits_on", "native", "python", "history"};
    static const char *const process_names[] = {"pid", "name", "python", "interpreters", "threads"};
    static const char *const wait_names[] = {"kind", "object", "owner", "owner_certainty"};
    static const char *const verdict_names[] = {"class", "sentence", "certainty", "culprits"};
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 7);
    const json_t *first, *thread;
    json_t *json;

    (void)state;
    rw_process_thread(incident, process, 7);
    rw_process_thread(incident, process, 8);
    rw_thread_wait_on(incident, &process->threads[1]);
    json = rw_incident_to_json(incident);
    assert_int_equal(json_integer_value(json_object_get(json, "schema")), 1);
    assert_non_null(json_object_get(json, "trigger"));
    assert_non_null(json_object_get(json, "test"));
    first = json_array_get(json_object_get(json, "processes"), 0);
    for (size_t i = 0; i < 5; i++)
        assert_non_null(json_object_get(first, process_names[i]));
    thread = json_array_get(json_object_get(first, "threads"), 1);
    for (size_t i = 0; i < 8; i++)
        assert_non_null(json_object_get(thread, thread_names[i]));
    for (size_t i = 0; i < 4; i++)
        assert_non_null(json_object_get(json_object_get(thread, "waits_on"), wait_names[i]));
    for (size_t i = 0; i < 4; i++)
        assert_non_null(json_object_get(json_object_get(json, "verdict"), verdict_names[i]));
    json_decref(json);
    talloc_free(incident);
}

static void times_are_seconds_before_the_incident(void **state)
{
    struct rw_incident *incident = fixture("two_locks");
    json_t *json = rw_incident_to_json(incident);
    const json_t *process = json_array_get(json_object_get(json, "processes"), 0);
    const json_t *thread = json_array_get(json_object_get(process, "threads"), 0);

    (void)state;
    assert_int_equal(incident->processes[0].threads[0].since_ns, 5000000000000 - 12300000000);
    assert_true(json_real_value(json_object_get(thread, "since_s")) == 12.3);
    json_decref(json);
    talloc_free(incident);
}

static void what_is_no_incident_is_refused_with_a_reason(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"[]", "no \"schema\" number"},
        {"{}", "no \"schema\" number"},
        {"{\"schema\": \"1\"}", "no \"schema\" number"},
        {"{\"schema\": 99}", "written with schema 99, this program reads schema 1"},
        {"{\"schema\": 1, \"trigger\": 5}", "trigger is not a string"},
        {"{\"schema\": 1, \"processes\": {}}", "processes is not an array"},
        {"{\"schema\": 1, \"processes\": [1]}", "processes[0] is not an object"},
        {"{\"schema\": 1, \"processes\": [{\"pid\": 99999999999}]}", "processes[0].pid is out of range"},
        {"{\"schema\": 1, \"processes\": [{\"threads\": [{\"tid\": 1.5}]}]}",
         "processes[0].threads[0].tid is not a whole number"},
        {"{\"schema\": 1, \"processes\": [{\"threads\": [{\"pthread\": \"12\"}]}]}",
         "pthread is not an address"},
        {"{\"schema\": 1, \"processes\": [{\"threads\": [{\"pthread\": \"0xzz\"}]}]}",
         "pthread is not an address"},
        {"{\"schema\": 1, \"processes\": [{\"threads\": [{\"pthread\": \"0x11112222333344445\"}]}]}",
         "pthread is not an address"},
        {"{\"schema\": 1, \"processes\": [{\"threads\": [{\"os_state\": \"SS\"}]}]}",
         "os_state is more than one"},
        {"{\"schema\": 1, \"processes\": [{\"threads\": [{\"since_ns\": -4}]}]}", "since_ns is out of range"},
        {"{\"schema\": 1, \"processes\": [{\"threads\": [{\"since_s\": 1e300}]}]}",
         "since_s is out of range"},
        {"{\"schema\": 1, \"processes\": [{\"interpreters\": [{\"thread_states\": [{}]}]}]}",
         "thread_state_tids is missing"},
        {"{\"schema\": 1, \"processes\": [{\"interpreters\": [{\"thread_states\": [{}], "
         "\"thread_state_tids\": [1, 2]}]}]}",
         "is not as long as"},
        {"{\"schema\": 1, \"notes\": [null]}", "notes[0] is not a string"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *why = NULL;

        assert_null(load(cases[i].text, &why));
        assert_non_null(why);
        if (!strstr(why, cases[i].why))
            print_error("%s: \"%s\" instead of \"%s\"\n", cases[i].text, why, cases[i].why);
        assert_non_null(strstr(why, cases[i].why));
        talloc_free(why);
    }
}

static void what_later_versions_add_is_passed_over(void **state)
{
    char *why = NULL;
    struct rw_incident *incident =
        load("{\"schema\": 1, \"weather\": {}, \"processes\": [{\"pid\": 3, \"mood\": [1]}]}", &why);

    (void)state;
    assert_non_null(incident);
    assert_int_equal(incident->processes[0].pid, 3);
    assert_int_equal(incident->processes[0].ppid, -1);
    talloc_free(incident);
}

static void a_file_that_cannot_be_read_says_which_and_why(void **state)
{
    char *why = NULL;

    (void)state;
    assert_null(rw_incident_read(NULL, "no/such/incident.json", 0, &why));
    assert_string_equal(why, "no/such/incident.json: No such file or directory");
    talloc_free(why);
    assert_null(rw_incident_read(NULL, "/proc/version", 0, &why));
    assert_non_null(strstr(why, "not JSON"));
    talloc_free(why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_and_writing_is_the_identity),
        cmocka_unit_test(every_field_survives),
        cmocka_unit_test(what_was_not_packed_whole_is_refused),
        cmocka_unit_test(a_string_that_many_share_is_one_afterwards),
        cmocka_unit_test(no_member_is_forgotten),
        cmocka_unit_test(the_promised_names_are_there_even_when_nothing_is_known),
        cmocka_unit_test(times_are_seconds_before_the_incident),
        cmocka_unit_test(what_is_no_incident_is_refused_with_a_reason),
        cmocka_unit_test(what_later_versions_add_is_passed_over),
        cmocka_unit_test(a_file_that_cannot_be_read_says_which_and_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
