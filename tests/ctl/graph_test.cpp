#include "ctl/graph.hpp"

#include <gtest/gtest.h>

#include "ctl/json.hpp"

using namespace reeve::ctl;

namespace {

Value unit(const char* name, std::vector<std::vector<std::string>> links,
           const std::vector<std::string>& aliases = {}) {
    Value list = Value::list();
    for (const auto& link : links) {
        list.add(Value::list().add(link[0]).add(link[1]).add(link.size() < 3));
    }
    return Value{}
        .set("Name", name)
        .set("Aliases", Value::strings(aliases))
        .set("Links", std::move(list));
}

Graph board() {
    Graph graph;
    graph.add(unit("web", {{"requires", "db"}, {"after", "network"}, {"wanted-by", "default"}}));
    graph.add(unit("db", {{"wants", "log", "unordered"}, {"requires", "disk"}}, {"database"}));
    graph.add(unit("default", {{"wants", "db"}}));
    graph.add(unit("log", {{"before", "web"}}));
    graph.add(unit("network", {}));
    graph.finish();
    return graph;
}

}  // namespace

TEST(Graph, TellsWhatAUnitNeedsDownToTheLeaves) {
    EXPECT_EQ(board().tree("web", true),
              "├─ requires db\n"
              "│  ├─ requires disk (missing)\n"
              "│  └─ wants log (no order)\n"
              "├─ after log\n"
              "└─ after network\n");
}

TEST(Graph, TellsWhatCannotStartFromWhatIsNotThere) {
    Graph graph;
    graph.add(unit("web", {{"requires", "db"}, {"wants", "log"}}));
    graph.add_unusable("db", "masked");
    graph.finish();
    EXPECT_EQ(graph.tree("web", true), "├─ requires db (masked)\n└─ wants log (missing)\n");
    EXPECT_EQ(graph.tree("db", false), "└─ requires of web\n");
    EXPECT_FALSE(graph.knows("db"));
    EXPECT_EQ(*graph.unusable("db"), "masked");
    EXPECT_EQ(graph.unusable("log"), nullptr);
}

TEST(Graph, WantedByIsTheOtherUnitsWant) {
    EXPECT_EQ(board().tree("default", true),
              "├─ wants db\n"
              "│  ├─ requires disk (missing)\n"
              "│  └─ wants log (no order)\n"
              "└─ wants web\n"
              "   ├─ requires db (as above)\n"
              "   ├─ after log\n"
              "   └─ after network\n");
}

TEST(Graph, TellsWhoNeedsAUnit) {
    EXPECT_EQ(board().tree("db", false),
              "├─ requires of web\n"
              "│  └─ wants of default\n"
              "└─ wants of default\n");
}

TEST(Graph, FollowsAliases) {
    Graph graph;
    graph.add(unit("web", {{"requires", "database"}}));
    graph.add(unit("db", {}, {"database"}));
    graph.finish();
    EXPECT_EQ(graph.tree("web", true), "└─ requires db\n");
    EXPECT_EQ(graph.name_of("database"), "db");
    EXPECT_FALSE(graph.knows("nothing"));
}

TEST(Graph, ACircleEnds) {
    Graph graph;
    graph.add(unit("a", {{"wants", "b"}}));
    graph.add(unit("b", {{"wants", "a"}}));
    graph.finish();
    EXPECT_EQ(graph.tree("a", true), "└─ wants b\n   └─ wants a (as above)\n");
    EXPECT_EQ(to_json(graph.json("a", true)),
              R"([{"relation":"wants","unit":"b","ordered":true,"missing":false,"needs":)"
              R"([{"relation":"wants","unit":"a","ordered":true,"missing":false,"needs":[]}]}])");
}
