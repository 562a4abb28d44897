#include "daemon/environment_file.hpp"

#include "units/files.hpp"

namespace reeve {

std::string read_environment_file(const units::EnvironmentFile& file, Environment& variables) {
    const units::FileText content = units::read_text(file.path);
    if (content.kind == units::FileText::Kind::failed)
        return file.optional ? "" : "environment-file " + file.path + ": " + content.text;
    for (auto& [name, value] : parse_environment_file(content.text)) variables[name] = value;
    return {};
}

}  // namespace reeve
