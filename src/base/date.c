#include "base/date.h"

#include <string.h>

#include "base/text.h"

#define DAY 86400

static const char day_names[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

int64_t cv_days_in_month(int64_t year, int64_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

int64_t cv_days_since_epoch(int64_t year, int64_t month, int64_t day)
{
    int64_t before = year - 1;
    int64_t days = (year - 1970) * 365 + (before / 4 - before / 100 + before / 400) - 477;

    for (int64_t m = 1; m < month; m++)
        days += cv_days_in_month(year, m);
    return days + day - 1;
}

/* @value in two digits. */
static void put_two(struct cv_text *text, int64_t value)
{
    cv_text_str(text, value < 10 ? "0" : "");
    cv_text_i64(text, value);
}

void cv_date_write(char out[CV_DATE_SIZE], int64_t when)
{
    int64_t days = when / DAY, second = when % DAY;
    int64_t year = 1970 + days / 366, month = 1;
    struct cv_text text;

    while (cv_days_since_epoch(year + 1, 1, 1) <= days)
        year++;
    while (month < 12 && cv_days_since_epoch(year, month + 1, 1) <= days)
        month++;
    cv_text_init(&text, out, CV_DATE_SIZE);
    cv_text_str(&text, day_names[days % 7]);
    cv_text_str(&text, ", ");
    put_two(&text, days - cv_days_since_epoch(year, month, 1) + 1);
    cv_text_str(&text, " ");
    cv_text_str(&text, month_names[month - 1]);
    cv_text_str(&text, " ");
    cv_text_i64(&text, year);
    cv_text_str(&text, " ");
    put_two(&text, second / 3600);
    cv_text_str(&text, ":");
    put_two(&text, second / 60 % 60);
    cv_text_str(&text, ":");
    put_two(&text, second % 60);
    cv_text_str(&text, " GMT");
}

/* The number in @digits digits at @at, or -1. */
static int64_t number_at(const char *at, size_t digits)
{
    int64_t value;

    return cv_text_to_i64(at, digits, &value) ? value : -1;
}

static int64_t month_at(const char *at)
{
    for (int64_t i = 0; i < 12; i++)
        if (memcmp(at, month_names[i], 3) == 0)
            return i + 1;
    return -1;
}

bool cv_date_read(int64_t *when, const char *text, size_t len)
{
    static const char form[] = "???, ?? ??? ???? ??:??:?? ";
    int64_t year, month, day, hour, minute, second;

    if (len != 29 || (memcmp(text + 26, "GMT", 3) != 0 && memcmp(text + 26, "UTC", 3) != 0))
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] != '?' && form[i] != text[i])
            return false;
    day = number_at(text + 5, 2);
    month = month_at(text + 8);
    year = number_at(text + 12, 4);
    hour = number_at(text + 17, 2);
    minute = number_at(text + 20, 2);
    second = number_at(text + 23, 2);
    if (year < 1970 || month < 1 || day < 1 || day > cv_days_in_month(year, month))
        return false;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    *when = cv_days_since_epoch(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    return true;
}
