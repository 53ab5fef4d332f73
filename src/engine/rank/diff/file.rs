//! What a changed file is, by its path: can it reach production at all, and which language's rules read it.

/// Why a file cannot change how the running system behaves, or only in a bounded way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Documentation, tests, tools of the developers, the build's own pipeline.
    Inert,
    /// Configuration of an environment that is not production.
    OtherEnvironment,
    /// Dashboards, alerts, scraping.
    Watching,
    /// Style sheets, images, texts of pages.
    Asset,
    /// Written by a program; what it was written from stands elsewhere.
    Generated,
    /// Names and versions of dependencies.
    Dependencies,
    /// Runs when a migration is taken back, not when it is applied.
    TakesBack,
    Program,
}

/// Family of languages whose comments, texts and statements read alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Go,
    /// Java, Kotlin, Scala, Groovy, C#, C and C++, PHP, Swift.
    Braces,
    Python,
    /// TypeScript and JavaScript.
    Script,
    Rust,
    Ruby,
    Shell,
    Sql,
    Proto,
    Dockerfile,
    /// Key paths by indentation: YAML, JSON, HCL, nginx, XML-free settings.
    Tree,
    /// `[section]` and `key = value`: TOML, INI, properties, environment files.
    Flat,
    Unknown,
}

const INERT_FOLDERS: &str = "doc docs test tests testdata testing __tests__ __mocks__ spec specs e2e cypress fixtures examples example .github .circleci \
    .gitlab .vscode .idea .husky .storybook benches benchmarks";
const INERT_NAMES: &str = ".editorconfig .gitignore .gitattributes .dockerignore .helmignore .npmignore .gitlab-ci.yml jenkinsfile .golangci.yml .golangci.yaml \
    .pre-commit-config.yaml rustfmt.toml .rustfmt.toml clippy.toml .flake8 .pylintrc mypy.ini pytest.ini tox.ini .coveragerc conftest.py codecov.yml renovate.json \
    dependabot.yml sonar-project.properties chart.lock license codeowners authors changelog notice readme contributing";
const INERT_STARTS: &str = ".eslintrc .prettierrc .stylelintrc tsconfig jest.config vitest.config eslint.config prettier.config playwright.config karma.conf babel.config.test";
const INERT_ENDINGS: &str = ".md .mdx .rst .adoc .txt .example .sample .dist.env .d.ts .ipynb";
const ENVIRONMENTS: &str = "staging stage dev develop development sandbox local qa uat preview preprod testing test devel";
const WATCHING_FOLDERS: &str = "dashboards grafana alerts alerting monitoring prometheus rules.d";
const ASSET_ENDINGS: &str = ".css .scss .sass .less .svg .png .jpg .jpeg .gif .ico .woff .woff2 .html .tmpl .po .pot .strings";
const TEXT_FOLDERS: &str = "i18n locales locale lang translations";
const GENERATED: &str = ".pb.go .pb.gw.go _pb2.py _pb2_grpc.py .pb.cc .pb.h _generated.go .gen.go .generated. .g.dart .min.js .min.css .snap zz_generated _mock.go .js.map";
const DEPENDENCY_NAMES: &str = "go.mod go.sum package.json package-lock.json yarn.lock pnpm-lock.yaml cargo.toml cargo.lock poetry.lock pipfile pipfile.lock pom.xml \
    build.gradle build.gradle.kts gradle.lockfile libs.versions.toml gemfile gemfile.lock composer.json composer.lock uv.lock pyproject.toml npm-shrinkwrap.json";

fn in_list(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|entry| entry == word)
}

fn name_of(lower: &str) -> &str {
    lower.rsplit('/').next().unwrap_or_default()
}

/// Extension of a file that holds settings, data or infrastructure rather than a program.
fn is_settings(name: &str) -> bool {
    const ENDINGS: [&str; 14] =
        [".yaml", ".yml", ".json", ".toml", ".env", ".properties", ".ini", ".conf", ".cfg", ".tf", ".tfvars", ".sql", ".xml", ".txt"];
    ENDINGS.iter().any(|ending| name.ends_with(ending)) || name.starts_with(".env") || name.contains("webpack.") || name.contains("vite.")
}

fn is_test_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    stem.ends_with("_test") || stem.ends_with("_spec") || stem.starts_with("test_") || name.contains(".test.") || name.contains(".spec.")
}

/// `OrderServiceTest.java`: told by its capital, so that `latest.java` is none.
fn is_test_class(path: &str) -> bool {
    let stem = path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
    ["Test", "Tests", "TestCase", "IT", "Spec"].iter().any(|ending| stem.len() > ending.len() && stem.ends_with(ending))
}

pub fn role(path: &str) -> Role {
    let lower = path.to_ascii_lowercase();
    let name = name_of(&lower);
    let folders = || lower.rsplit('/').skip(1);
    let stem = name.split('.').next().unwrap_or_default();
    let is_requirements = name.starts_with("requirements") || lower.contains("requirements/");
    let dependencies = in_list(DEPENDENCY_NAMES, name) || is_requirements && name.ends_with(".txt");
    let other_environment = || {
        folders().any(|folder| in_list(ENVIRONMENTS, folder))
            || is_settings(name) && name.split(['.', '-', '_']).any(|part| in_list(ENVIRONMENTS, part))
    };
    if folders().any(|folder| in_list(INERT_FOLDERS, folder)) || is_test_name(name) || is_test_class(path) {
        return Role::Inert;
    }
    if other_environment() {
        return Role::OtherEnvironment;
    }
    if dependencies {
        return Role::Dependencies;
    }
    let ends = |list: &str| list.split_whitespace().any(|ending| name.ends_with(ending));
    if in_list(INERT_NAMES, name)
        || in_list(INERT_NAMES, stem) && !stem.is_empty()
        || INERT_STARTS.split_whitespace().any(|start| name.starts_with(start))
        || ends(INERT_ENDINGS) && name != "cmakelists.txt"
    {
        return Role::Inert;
    }
    if GENERATED.split_whitespace().any(|part| name.contains(part))
        || folders().any(|folder| matches!(folder, "generated" | "gen" | "dist"))
    {
        return Role::Generated;
    }
    if folders().any(|folder| in_list(WATCHING_FOLDERS, folder)) || name.contains("servicemonitor") || name.contains("dashboard") {
        return Role::Watching;
    }
    if ends(ASSET_ENDINGS)
        || folders().any(|folder| in_list(TEXT_FOLDERS, folder))
        || stem.starts_with("messages") && name.ends_with(".properties")
    {
        return Role::Asset;
    }
    if name.ends_with(".down.sql") || folders().any(|folder| matches!(folder, "down" | "rollback" | "rollbacks")) {
        return Role::TakesBack;
    }
    Role::Program
}

pub fn language(path: &str) -> Language {
    let lower = path.to_ascii_lowercase();
    let name = name_of(&lower);
    if name.starts_with("dockerfile") || name.ends_with(".dockerfile") || name == "containerfile" {
        return Language::Dockerfile;
    }
    if name.starts_with(".env") || name == "jvm.options" || name == "procfile" {
        return Language::Flat;
    }
    match name.rsplit('.').next().unwrap_or_default() {
        "go" => Language::Go,
        "java" | "kt" | "kts" | "scala" | "groovy" | "cs" | "c" | "cc" | "cpp" | "cxx" | "h" | "hpp" | "php" | "swift" | "dart" => {
            Language::Braces
        }
        "py" | "pyi" => Language::Python,
        "ts" | "tsx" | "js" | "jsx" | "mjs" | "cjs" | "mts" | "vue" | "svelte" => Language::Script,
        "rs" => Language::Rust,
        "rb" | "ex" | "exs" => Language::Ruby,
        "sh" | "bash" => Language::Shell,
        "sql" => Language::Sql,
        "proto" => Language::Proto,
        "yaml" | "yml" | "json" | "json5" | "tf" | "tfvars" | "hcl" | "tpl" => Language::Tree,
        "conf" if name.contains("nginx") || lower.contains("nginx/") || lower.contains("conf.d/") => Language::Tree,
        "toml" | "ini" | "cfg" | "conf" | "cnf" | "properties" | "env" | "options" | "config" => Language::Flat,
        _ => Language::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_whether_production_can_see_it() {
        for (path, expected) in [
            ("services/cart/cart_test.go", Role::Inert),
            ("orders/src/test/java/OrderTest.java", Role::Inert),
            ("web/src/latest.java", Role::Program),
            ("README.md", Role::Inert),
            ("deploy/staging/cart.yaml", Role::OtherEnvironment),
            ("charts/orders/values-dev.yaml", Role::OtherEnvironment),
            ("charts/orders/values-production.yaml", Role::Program),
            ("src/device/dev.rs", Role::Program),
            ("api/orderpb/order.pb.go", Role::Generated),
            ("requirements.txt", Role::Dependencies),
            ("db/9.down.sql", Role::TakesBack),
            ("monitoring/dashboards/cart.json", Role::Watching),
            ("i18n/de.json", Role::Asset),
            ("src/main.rs", Role::Program),
        ] {
            assert_eq!(role(path), expected, "{path}");
        }
        assert_eq!(language("services/api/Dockerfile"), Language::Dockerfile);
        assert_eq!(language("main.tf"), Language::Tree);
    }
}
