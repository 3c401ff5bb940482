#include "report/report.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "report/charts.h"
#include "report/html_escape.h"
#include "report/words.h"

namespace tarn::report {
namespace {

using codec::Json;

Json parse(std::string_view text) {
    const auto json = Json::parse(text);
    EXPECT_TRUE(json) << (json ? "" : json.error().text());
    return json.value_or(Json());
}

Json finished_report() {
    return parse(
        R"({"run":"rn-20","plan":"pl-7","digest":"sha256:5b0e","state":"finished","started":"2026-11-20T18:02:11Z","ended":"2026-11-20T18:02:14Z",
        "counts":{"selected":5212,"acknowledged":5173,"skipped":0,"failed":2,"held":37,"unknown":0,"remaining":0},"by_type":{"deposit":5212},
        "by_failure":[{"cause":"KeyError: 'VerifiedCurrency'","outcome":"failed","count":2,"first":"bank 2:1180","last":"bank 3:977",
        "sample":{"position":"bank 2:1180","id":"e1","type":"deposit","time":"2024-03-04T10:02:11Z","key":"ACC-0172","payload":"{\"a\":\"<script>alert(1)</script>\"}"}}],
        "rate":1998,"order":{"kind":"key","violations":0,"keys":197},"hashes":{"selected":"sha256:aa","sent":"sha256:bb"},
        "verify":{"checked":false,"differences":null,"compared_with":null},"duration":2.9,"name":"rebuild <accounts>","stream":"bank","target":"projection:totals",
        "into":"accounts@fix","error":null,"pace":"max","throughput":[{"t":0,"done":0},{"t":1.5,"done":3000},{"t":2.9,"done":5212}]})");
}

Json a_plan() {
    return parse(
        R"({"plan":"pl-7","name":"rebuild accounts@fix from sn-0031","created":"2026-11-20T18:02:11Z","stream":"bank",
        "selection":{"since":null,"until":null,"ingested":false,"pattern":null,"where":null,"sql":null,"ids":null,"all":false,"rebuild":"accounts"},
        "resolved":{"snapshot":10001,"positions":{"bank":{"0":2511}}},"target":"projection:totals","order":"key","pace":"2000/s","shape":"cloudevents",
        "events":5212,"bytes":2300000,"keys":197,"by_type":{"incoming_payment":1561,"deposit":3651},"time":{"first":"2024-03-01T00:03:10Z","last":"2024-03-30T21:55:03Z"},
        "already_delivered":0,"coverage":{"base":"sn-0031","complete":false,"missing":4800},"estimate":{"seconds":2.6,"cost":0},"risks":["be careful"],
        "top_keys":[{"key":"ACC-0041","count":61}],"without_key":3,"on_failure":"hold","into":"accounts@fix","base":"sn-0031","store":"accounts",
        "target_version":{"totals":"9c1e"},"scanned":{"objects_read":17,"objects_total":41,"complete":true},"digest":"sha256:5b0e"})");
}

TEST(PlanText, says_what_was_decided) {
    EXPECT_EQ(
        render_plan_text(a_plan(), false),
        "plan pl-7  \"rebuild accounts@fix from sn-0031\"   frozen 2026-11-20T18:02:11Z\n"
        "\n"
        "  select   all that accounts is fed with after sn-0031 · bank\n"
        "           read 17 of 41 objects + the log's tail · complete\n"
        "  events   5,212 · 2.3 MB · 197 keys · event time 2024-03-01T00:03:10Z … 2024-03-30T21:55:03Z\n"
        "                1,561  incoming_payment\n"
        "                3,651  deposit\n"
        "  keys     ACC-0041 61 · 194 more · 3 events without key\n"
        "  target   projection:totals, version 9c1e · shape cloudevents\n"
        "  order    by key (197 lanes; after a failure what follows it waits)       pace 2000/s → about 2.6 "
        "s\n"
        "  into     accounts@fix, starting as the store was at sn-0031; live accounts is not touched\n"
        "  covers   partial: 4,800 events after sn-0031 are not selected. Differences are to be expected; "
        "promote is refused\n"
        "  risks    ! be careful\n"
        "  digest   sha256:5b0e\n"
        "\n"
        "  tarn replay run pl-7          tarn replay show pl-7\n");
}

TEST(ReportText, adds_up_and_names_the_causes) {
    EXPECT_EQ(render_text(finished_report(), false),
              "rn-20 finished with failures · 5,212 selected = 5,173 acknowledged + 0 skipped + 2 failed + "
              "37 held + 0 unknown · order kept in 197 keys · 2.9 s · 1,998/s\n"
              "  pl-7 · \"rebuild <accounts>\" to accounts@fix\n"
              "  failed\n"
              "      2  KeyError: 'VerifiedCurrency'        bank 2:1180 … bank 3:977\n"
              "  tarn verify rn-20        tarn report rn-20 -o html > report.html\n");
}

TEST(ReportText, control_characters_of_events_do_not_reach_the_terminal) {
    Json report = finished_report();
    report.set("name", "\x1b[2J");
    EXPECT_EQ(render_text(report, false).find('\x1b'), std::string::npos);
    EXPECT_NE(render_text(report, true).find('\x1b'), std::string::npos);
}

TEST(ReportText, tells_what_the_verification_came_to) {
    Json report = finished_report();
    EXPECT_EQ(render_text(report, false).find("verified"), std::string::npos);
    report.set(
        "verify",
        parse(
            R"({"checked":true,"checks":[{"name":"counts","ok":true,"detail":"all"}],"differences":[],"equal":true})"));
    EXPECT_NE(render_text(report, false).find("  verified: equal · 1 checks\n"), std::string::npos);
    report.set("verify", parse(R"({"checked":true,"compared_with":"snapshot:sn-1","equal":false,
        "checks":[{"name":"counts","ok":true,"detail":"all"},{"name":"state","ok":false,"detail":"5 differ"}],"differences_total":5,
        "differences":[{"table":"t","key":"1","column":"c","before":"1","after":"2","events":[]},{"table":"t","key":"2","column":"c","before":"1","after":"2","events":[]},
        {"table":"t","key":"3","column":"c","before":"1","after":"2","events":[]},{"table":"t","key":"4","column":"c","before":"1","after":"2","events":[]}]})"));
    const std::string text = render_text(report, false);
    EXPECT_NE(text.find("  verified: NOT equal · 2 checks · against snapshot:sn-1\n"
                        "    state      5 differ  NOT OK\n"
                        "    t 1  c  1 → 2\n    t 2  c  1 → 2\n    t 3  c  1 → 2\n"
                        "    2 more: tarn report rn-20 -o json\n"),
              std::string::npos)
        << text;
}

TEST(VerifyText, lists_checks_and_differences) {
    const Json verification = parse(
        R"({"checks":[{"name":"counts","ok":true,"detail":"all"},{"name":"state","ok":false,"detail":"1 difference"}],
        "differences":[{"table":"account","key":"ACC-1","column":"balance","before":"1.00","after":"2.00","events":["bank 2:1180 deposit"]}],"complete":true,"equal":false})");
    const std::string text = render_verify_text(verification, false);
    EXPECT_NE(text.find("  account ACC-1  balance  1.00 → 2.00   after bank 2:1180 deposit\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("NOT OK"), std::string::npos);
    EXPECT_TRUE(text.ends_with("not equal\n"));
}

TEST(Html, escapes_everything_that_comes_from_data) {
    const std::string page = render_html(finished_report(), a_plan());
    EXPECT_EQ(page.find("<script"), std::string::npos);
    EXPECT_EQ(page.find("<accounts>"), std::string::npos);
    EXPECT_NE(page.find("&lt;script&gt;alert(1)"), std::string::npos);
    EXPECT_EQ(page.find("http://"), std::string::npos);
    EXPECT_EQ(page.find("https://"), std::string::npos);
    EXPECT_EQ(escape_html("a\xff<\x01\"'&é"), "a\xEF\xBF\xBD&lt;\xEF\xBF\xBD&quot;&#39;&amp;é");
}

constexpr std::string_view hostile =
    "\"'></td><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)><a "
    "href='https://evil.example'>";

// The same document with hostile text in the place of every text and of the names of event types.
Json made_hostile(const Json& json, std::string_view name = "") {
    if (json.is_string()) return Json(hostile);
    Json made = json;
    if (json.is_array()) {
        made = Json::array();
        for (const Json& element : json.elements()) made.push(made_hostile(element));
    }
    if (json.is_object()) {
        made = Json::object();
        for (const auto& [key, value] : json.members())
            made.set(name == "by_type" ? hostile : std::string_view(key), made_hostile(value, key));
    }
    return made;
}

std::vector<std::string> tags_of(const std::string& page) {
    std::vector<std::string> tags;
    for (auto at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1))
        tags.push_back(page.substr(at, page.find('>', at) - at + 1));
    return tags;
}

Json verified_report() {
    Json report = finished_report();
    report.set("verify",
               parse(R"({"checked":true,"compared_with":"store:accounts","equal":false,"target_read":false,
        "checks":[{"name":"target","ok":true,"detail":"only said","evidence":"sender"},{"name":"state","ok":false,"detail":"5 differ"}],
        "differences_total":5,"complete":false,"differences":[{"table":"t","key":"1","column":"c","before":"1","after":null,"events":["bank 0:1"],"candidates":true}]})"));
    report.set("by_skip", parse(R"([{"cause":"had it","count":3,"next":"--again"}])"));
    report.set("latency",
               parse(R"({"answers":30,"mean_us":900,"max_us":70000,"p50_us":1023,"p90_us":2047,"p99_us":65535,
        "buckets":[[1023,20],[2047,9],[81919,1]]})"));
    report.set("keys_behind", parse(R"({"keys":2,"complete":true,"most":[
        {"key":"ACC-0172","events":38,"first":"bank 2:1180","first_time":"2024-03-04T10:02:11Z","last_time":"2024-03-05T10:02:11Z"},
        {"key":null,"events":1,"first":"bank 3:977","first_time":"2024-03-04T10:02:11Z","last_time":"2024-03-04T10:02:11Z"}]})"));
    report.set("error", parse(R"({"code":"TARN-7104","message":"no"})"));
    return report;
}

TEST(Html, hostile_events_stay_text_and_nothing_is_fetched) {
    const std::string page = render_html(made_hostile(verified_report()), made_hostile(a_plan()));
    const std::string known[] = {
        "!doctype", "html",    "head",    "meta",    "title",  "style", "body",  "h1", "h2", "h3",
        "p",        "section", "details", "summary", "strong", "span",  "table", "tr", "th", "td",
        "pre",      "code",    "div",     "svg",     "rect",   "line",  "text",  "ul", "li", "br"};
    for (const std::string& tag : tags_of(page)) {
        const std::size_t begin = tag.starts_with("</") ? 2 : 1;
        const std::string name = tag.substr(begin, tag.find_first_of(" >", begin) - begin);
        EXPECT_NE(std::ranges::find(known, name), std::end(known)) << tag;
        for (const char* attribute : {" src", " href", " on", "url("})
            EXPECT_EQ(tag.find(attribute), std::string::npos) << tag;
    }
    EXPECT_EQ(page.find("@import"), std::string::npos);
    EXPECT_EQ(page.find("url("), std::string::npos);
    EXPECT_NE(page.find("&lt;script&gt;"), std::string::npos);
}

TEST(Html, shows_latency_keys_behind_and_what_is_not_proved) {
    const std::string page = render_html(verified_report(), a_plan());
    for (const char* part : {"half of them within 1 ms", "up to 81 ms: 1 answers",
                             "<h2>Keys that are behind</h2>", "ACC-0172: 38", "(without a key)", "not proved",
                             "candidates: same key", "tarn store diff accounts accounts@fix"})
        EXPECT_NE(page.find(part), std::string::npos) << part;
    EXPECT_EQ(render_html(finished_report(), a_plan()).find("Latency"), std::string::npos);
    EXPECT_EQ(latency_svg({}), "");
    EXPECT_EQ(latency_svg(parse(R"({"buckets":[[1]]})")), "");
    EXPECT_NE(latency_svg(parse(R"({"answers":1,"buckets":[[0,1]]})")).find("<rect"), std::string::npos);
}

TEST(ReportText, names_the_keys_that_are_behind) {
    EXPECT_NE(render_text(verified_report(), false)
                  .find("  behind: 2 keys, by events: ACC-0172 38 · (without a key) 1\n"),
              std::string::npos);
}

TEST(Html, has_its_parts_in_their_order) {
    const std::string page = render_html(finished_report(), a_plan());
    std::size_t at = 0;
    for (const char* part : {"<h1", "What failed", "Counts", "Throughput", "Verification",
                             "The plan as frozen", "How to repeat or undo"}) {
        const std::size_t found = page.find(part, at);
        ASSERT_NE(found, std::string::npos) << part;
        at = found;
    }
}

TEST(Html, says_how_to_repeat_so_that_it_is_true) {
    Json plan = a_plan();
    EXPECT_NE(
        render_html(finished_report(), plan).find("the same selection again: <code>tarn replay run pl-7<"),
        std::string::npos);
    plan.set("into", nullptr).set("target", "stream:copy");
    const std::string page = render_html(finished_report(), plan);
    EXPECT_EQ(page.find("<li>the same selection again"), std::string::npos);
    EXPECT_NE(page.find("tarn replay plan bank … --to stream:copy --again"), std::string::npos);
    plan.set("again", true);
    EXPECT_NE(render_html(finished_report(), plan).find("<li>the same selection again"), std::string::npos);
}

TEST(Verdict, follows_counts_and_verification) {
    Json report = finished_report();
    EXPECT_EQ(verdict_of(report), Verdict::wrong);
    report.set(
        "counts",
        parse(
            R"({"selected":2,"acknowledged":2,"skipped":0,"failed":0,"held":0,"unknown":0,"remaining":0})"));
    EXPECT_EQ(verdict_of(report), Verdict::doubtful);  // nothing verified yet
    report.set("verify", parse(R"({"checked":true,"checks":[],"differences":[],"equal":true})"));
    EXPECT_EQ(verdict_of(report), Verdict::right);
    report.set("verify", parse(R"({"checked":true,"checks":[],"differences":[],"equal":false})"));
    EXPECT_EQ(verdict_of(report), Verdict::wrong);
}

TEST(Throughput, needs_two_samples_and_survives_equal_instants) {
    EXPECT_EQ(throughput_svg(parse(R"([{"t":0,"done":0}])")), "");
    EXPECT_EQ(throughput_svg(parse(R"([{"t":1,"done":0},{"t":1,"done":5}])")), "");
    EXPECT_NE(throughput_svg(parse(R"([{"t":0,"done":0},{"t":2,"done":10}])")).find("5/s"),
              std::string::npos);
}

}  // namespace
}  // namespace tarn::report
