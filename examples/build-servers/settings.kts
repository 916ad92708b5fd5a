// .teamcity/settings.kts
import jetbrains.buildServer.configs.kotlin.*
import jetbrains.buildServer.configs.kotlin.buildSteps.script
import jetbrains.buildServer.configs.kotlin.triggers.vcs

version = "2025.03"

project {
    buildType(Regrow)
}

object Regrow : BuildType({
    name = "Regrow"
    buildNumberPattern = "2.6.%build.counter%"

    // Scripts read these as environment variables. A reference such as
    // %build.vcs.number% in a script would be replaced in its text, and a
    // branch's name can hold what a shell would perform.
    params {
        param("env.REGROW_URL", "https://regrow.acme.example")
        param("env.BRANCH_REF", "${DslContext.settingsRoot.paramRefs.buildVcsBranch}")
        param("env.BUILD_ID", "%teamcity.build.id%")
        // Project settings, Versioned Settings, Tokens: each token stands for a secret.
        password("env.REGROW_SECRET", "credentialsJSON:11111111-2222-3333-4444-555555555555")
        password("env.REGROW_TOKEN", "credentialsJSON:66666666-7777-8888-9999-000000000000")
    }

    vcs {
        root(DslContext.settingsRoot)
    }

    steps {
        script {
            name = "Build"
            scriptContent = "echo 'Build, test, and push the packages of this version to Octopus here.'"
        }
        // Either: tell regrow of the commit and go on.
        script {
            name = "Notify"
            scriptContent = "sh ci/teamcity-notify.sh"
        }
        // Or: start the run and wait for how it ends.
        script {
            name = "Trigger"
            scriptContent = "sh ci/teamcity-trigger.sh"
        }
    }

    triggers {
        vcs {
            branchFilter = "+:<default>"
        }
    }
})
