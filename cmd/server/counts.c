#include "counts.h"

static const struct {
    int status;
    const char *name;
} statuses[COUNTS_STATUS_COUNT] = {
#define X(number) {.status = (number), .name = #number},
    COUNTS_STATUSES(X)
#undef X
        {.name = "other"},
};

const uint64_t counts_lag_bounds[COUNTS_LAG_BOUNDS] = {1000,   2500,   5000,   10000,   25000,
                                                       100000, 250000, 500000, 1000000, 5000000};

void counts_add(struct counts *to, const struct counts *from)
{
    to->joined += from->joined;
    to->left += from->left;
    for (size_t i = 0; i < CV_ENDING_COUNT; i++)
        to->ended[i] += from->ended[i];
    for (size_t i = 0; i < COUNTS_STATUS_COUNT; i++) {
        to->refused[i] += from->refused[i];
        to->answered[i] += from->answered[i];
    }
    to->crowded += from->crowded;
    to->strangers += from->strangers;
    to->intruders += from->intruders;
    to->held += from->held;
    to->looks += from->looks;
    for (size_t i = 0; i < CV_FAILURE_COUNT; i++)
        to->failed[i] += from->failed[i];
    for (size_t i = 0; i < CV_SHED_COUNT; i++)
        to->shed[i] += from->shed[i];
}

void counts_status(uint64_t rows[COUNTS_STATUS_COUNT], int status)
{
    size_t row = 0;

    while (row < COUNTS_STATUS_OTHER && statuses[row].status != status)
        row++;
    rows[row]++;
}

void counts_lag_seen(struct counts_lag *lag, uint64_t late)
{
    size_t i = 0;

    while (i < COUNTS_LAG_BOUNDS && late > counts_lag_bounds[i])
        i++;
    lag->looks[i]++;
    lag->time += late;
}

void counts_lag_add(struct counts_lag *to, const struct counts_lag *from)
{
    for (size_t i = 0; i <= COUNTS_LAG_BOUNDS; i++)
        to->looks[i] += from->looks[i];
    to->time += from->time;
}

const char *counts_status_name(size_t row)
{
    return statuses[row].name;
}
